"""What becomes of each row of a batch, as the known rows of its key say; and how two rows of one key differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

from arrivals.contents import FEATURES, LABEL, label_of
from arrivals.keys import HIGH, LOW, ROW, SEQUENCE
from arrivals.validation import REASON

if TYPE_CHECKING:
    from db.arrival_records import LandedRecord
    from learning.spec import ModelSpec, Schema

OUTCOME, TAKEN = "outcome", "taken row"
NEW, LATE_LABEL, DUPLICATE, CONFLICT, CORRECTION, WAITING = (
    "new", "label", "duplicate", "conflict", "correction", "waiting",
)  # fmt: skip
ROW_IS, WAS = "this is the row", " as it was taken"  # in kept conflicts: a column, and what tells two columns apart
IN_REASON = 5  # columns that are named; a schema may have thousands


def judge(asked: pl.DataFrame, known: pl.DataFrame, *, labels: bool, replace: bool) -> pl.DataFrame:
    """Each row's OUTCOME.

    A row that has the features and the label of one that was taken, or no label, is a duplicate, also if that one has
    been corrected since: else an old file that grows would bring old values back. A label for a row without one is
    taken. All else is a conflict, or the last row of its key a correction, if conflicts may replace what was taken.

    Args:
        asked: the rows, as `asked_rows` gives them.
        known: ROW, and SEQUENCE, FEATURES and LABEL of all that was taken of its key, oldest first.
        labels: the rows are keys and labels only.
        replace: conflicts are corrections.

    Returns:
        What was asked, where LABEL of a correction is the one that it keeps; OUTCOME; SEQUENCE of the partition that
        has the newest known row of the key, or null; TAKEN, the batch's own row that is taken of the key, or null.
    """
    if known.is_empty() and not (asked[HIGH] == asked[HIGH].shift()).any():
        first = pl.col(LABEL).is_not_null() if labels else pl.lit(value=True)
        alone = pl.when(first).then(pl.lit(WAITING if labels else NEW)).otherwise(pl.lit(DUPLICATE))
        return asked.with_columns(
            alone.alias(OUTCOME), pl.col(ROW).alias(TAKEN), pl.lit(None, pl.Int64).alias(SEQUENCE)
        )
    changed = pl.any_horizontal(pl.col(HIGH, LOW) != pl.col(HIGH, LOW).shift()).fill_null(value=True)
    rows = asked.with_columns(changed.cum_sum().alias("key"), _number(LABEL).alias("label"))
    rows = rows.join(_versions(rows, known, labels=labels), on=ROW, how="left", maintain_order="left")

    new, open_ = pl.col(SEQUENCE).is_null(), pl.col("newest label").is_null()
    first = pl.col(FEATURES).first().over("key") == pl.col(FEATURES)
    rows = rows.with_columns(fits=pl.lit(value=True) if labels else pl.when(new).then(first).otherwise(pl.col("fits")))
    gives = pl.col("fits") & pl.col("label").is_not_null() & open_
    rows = rows.with_columns(giver=pl.when(gives).then(ROW).min().over("key"))
    given = pl.when(pl.col(ROW) == pl.col("giver"))
    rows = rows.with_columns(
        pl.coalesce("giver", *([] if labels else [pl.when(new).then(pl.col(ROW).min().over("key"))])).alias(TAKEN),
        pl.coalesce("newest label", given.then("label").max().over("key")).alias("final label"),
        pl.coalesce("newest bits", given.then(LABEL).max().over("key")).alias("final bits"),
    )
    repeated = pl.col("exact").fill_null(value=False) | (
        pl.col("fits") & open_ & (pl.col("label").is_null() | (pl.col("label") == pl.col("final label")))
    ).fill_null(value=False)
    outcome = (
        pl.when(pl.col(ROW) == pl.col(TAKEN))
        .then(pl.when(new).then(pl.lit(WAITING if labels else NEW)).otherwise(pl.lit(LATE_LABEL)))
        .when(repeated)
        .then(pl.lit(DUPLICATE))
        .when(pl.lit(labels and replace) & new)
        .then(pl.lit(WAITING))
        .otherwise(pl.lit(CONFLICT))
    )
    rows = rows.with_columns(outcome.alias(OUTCOME))
    if replace:
        rows = _corrections(rows)
    return rows.select(*asked.columns, OUTCOME, SEQUENCE, TAKEN)


def both_rows(arrived: pl.DataFrame, taken: pl.DataFrame, schema: Schema) -> tuple[pl.DataFrame, str]:
    """Conflicts to be kept: each row as it arrived with the names of the columns that differ, and as it was taken.

    Args:
        arrived: rows with HIGH and LOW of their keys.
        taken: a row for each of these keys.
        schema: the columns.

    Returns:
        The rows of both, and a sentence that says in how many rows which columns differ.
    """
    names = [name for name in schema.columns if name in arrived.columns and name in taken.columns]
    pairs = arrived.join(taken, on=[HIGH, LOW], suffix=WAS, maintain_order="left")
    differs = {name: _differ(name, pairs, schema) for name in names if name not in schema.key}
    which = pl.DataFrame(differs).select(
        pl.concat_str([pl.when(pl.col(n)).then(pl.lit(n)) for n in differs], separator=", ", ignore_nulls=True)
    )
    reason = ("other values of " + which.to_series()).alias(REASON)
    kept = pl.concat(
        [
            arrived.with_columns(reason, pl.lit("as it arrived").alias(ROW_IS)),
            taken.with_columns(pl.lit("as it was taken").alias(ROW_IS)),
        ],
        how="diagonal_relaxed",
    )
    counts = sorted(((int(rows.sum()), name) for name, rows in differs.items() if rows.any()), reverse=True)
    named = [f"{name} ({count:,} rows)" for count, name in counts[:IN_REASON]]
    more = [f"{len(counts) - IN_REASON:,} more columns"] if len(counts) > IN_REASON else []
    return kept.sort(HIGH, LOW, ROW_IS).drop(HIGH, LOW), f"taken before with other values of {', '.join(named + more)}"


def conflicts_only(spec: ModelSpec, landed: Iterable[LandedRecord]) -> list[str]:
    """A sentence for each file of which nothing was taken, for its keys were taken with other values."""
    key = ", ".join(spec.schema.key)
    return [
        f"{file.uri}: 0 of {file.rows:,} rows taken, {file.conflicts:,} conflicts: their key ({key}) was taken before "
        "with other values. If these are other rows, as where rows are numbered anew in each file, the key does not "
        "identify a row: name columns that do in Schema(key=...). If they are corrected rows, let them replace the old "
        f'ones with Source(corrections="replace"). `evergreen partitions refused {spec.name}` shows them'
        for file in landed
        if file.conflicts and not file.taken
    ]


def _differ(name: str, pairs: pl.DataFrame, schema: Schema) -> pl.Series:
    """Where two rows have another value in a column; a row without a label says nothing about it."""
    arrived, taken = pl.col(name), pl.col(name + WAS)
    if pairs.schema[name] == pl.Float64:
        arrived, taken = arrived.cast(pl.Float32), taken.cast(pl.Float32)  # as they were compared
    said = arrived.is_not_null() if name == schema.target else pl.lit(value=True)
    return pairs.select((arrived.ne_missing(taken) & said).alias(name)).to_series()


def _number(bits: str) -> pl.Expr:
    """A label as a model sees it."""
    return label_of(pl.col(bits)).cast(pl.Float32)


def _versions(rows: pl.DataFrame, known: pl.DataFrame, *, labels: bool) -> pl.DataFrame:
    """Of each ROW that is known: whether a row of its features was taken, and one of its label too; and the newest."""
    taken = known.rename({FEATURES: "features", LABEL: "bits"}).with_columns(_number("bits").alias("number"))
    fits = pl.lit(value=True) if labels else pl.col("features") == pl.col(FEATURES)
    same = pl.col("label").is_null() | (pl.col("label") == pl.col("number")).fill_null(value=False)
    found = taken.join(rows.select(ROW, FEATURES, "label"), on=ROW, maintain_order="left").with_columns(fits=fits)
    return found.group_by(ROW).agg(
        pl.col("fits").any(),
        (pl.col("fits") & same).any().alias("exact"),
        pl.col(SEQUENCE).last(),
        pl.col("number").last().alias("newest label"),
        pl.col("bits").last().alias("newest bits"),
    )


def _corrections(rows: pl.DataFrame) -> pl.DataFrame:
    """Let the last row of each key, where it is a conflict, be a correction; it keeps the label if it has none."""
    conflict = pl.col(OUTCOME) == CONFLICT
    last = (pl.col(ROW) == pl.col(ROW).max().over("key")) & conflict
    rows = rows.with_columns(pl.when(last).then(FEATURES).max().over("key").alias("last features"))
    alike = conflict & (pl.col(FEATURES) == pl.col("last features")).fill_null(value=False)
    rows = rows.with_columns(
        alike=alike, place=pl.col(ROW) + pl.col("label").is_not_null().cast(pl.Int64) * rows.height
    )
    best = pl.col("alike") & (pl.col("place") == pl.when("alike").then("place").max().over("key"))
    rows = rows.with_columns(best.alias("best"))
    corrected = pl.when("best").then("label").max().over("key")
    again = pl.col("alike") & (pl.col("label").is_null() | (pl.col("label") == corrected).fill_null(value=False))
    return rows.with_columns(
        pl.when("best").then(pl.lit(CORRECTION)).when(again).then(pl.lit(DUPLICATE)).otherwise(OUTCOME).alias(OUTCOME),
        pl.when("best").then(pl.coalesce(LABEL, "final bits")).otherwise(LABEL).alias(LABEL),
    )
