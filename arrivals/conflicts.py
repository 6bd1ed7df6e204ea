"""What becomes of each row of a batch, as the known rows of its key say; and how two rows of one key differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from arrivals.contents import FEATURES, LABEL, label_of
from arrivals.keys import HIGH, LOW, ROW, SEQUENCE

if TYPE_CHECKING:
    from db.arrival_records import LandedRecord
    from learning.spec import ModelSpec, Schema

OUTCOME, TAKEN, KEY = "outcome", "taken row", "number of the key"
NEW, LATE_LABEL, DUPLICATE, CONFLICT, CORRECTION, WAITING = (
    "new", "label", "duplicate", "conflict", "correction", "waiting",
)  # fmt: skip
ROW_IS, WAS = "this is the row", " as it was taken"  # in kept conflicts: a column, and what tells two columns apart
LONGEST = 1 << 40  # more rows than a batch has
IN_REASON = 5  # columns that are named; a schema may have thousands


class Mode(NamedTuple):
    """How rows are judged: whether they are labels only, conflicts are corrections, no key is there twice."""

    labels: bool
    replace: bool
    alone: bool

    def of_key(self, column: str, which: str) -> pl.Expr:
        """The first, the smallest or the largest value of a column among the rows of the same key.

        Windows are for columns only: Polars would work out an expression for each key by itself.
        """
        return pl.col(column) if self.alone else getattr(pl.col(column), which)().over(KEY)


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
    if (
        known.is_empty() and not (asked[HIGH] == asked[HIGH].shift()).any()
    ):  # as nearly always; small files feel the rest
        said = pl.when(pl.col(LABEL).is_not_null()).then(pl.lit(WAITING)).otherwise(pl.lit(DUPLICATE))
        outcome, nowhere = said if labels else pl.lit(NEW), pl.lit(None, pl.Int64)
        return asked.with_columns(outcome.alias(OUTCOME), nowhere.alias(SEQUENCE), pl.col(ROW).alias(TAKEN))
    changed = (pl.col(HIGH) != pl.col(HIGH).shift()) | (pl.col(LOW) != pl.col(LOW).shift())
    keyed = asked.with_columns(changed.fill_null(value=True).cum_sum().alias(KEY), _number(LABEL).alias("label"))
    if keyed[KEY].tail(1).sum() == keyed.height:  # no key is there twice
        judged = _judge(keyed, known, Mode(labels, replace, alone=True))
    else:
        alone = keyed[KEY].is_unique()
        parts = (
            _judge(keyed.filter(rows), known, Mode(labels, replace, alone=one))
            for rows, one in ((alone, True), (~alone, False))
        )
        judged = pl.concat(parts).sort(KEY, ROW)
    return judged.select(*asked.columns, OUTCOME, SEQUENCE, TAKEN)


def _judge(rows: pl.DataFrame, known: pl.DataFrame, mode: Mode) -> pl.DataFrame:
    """Rows with their OUTCOME, SEQUENCE and TAKEN.

    Of a new key, the first row says which features count, and the first label among the rows that fit is its label;
    the row that gives it is taken then. Of a known key, what was taken says so.
    """
    rows = rows.join(_versions(rows, known, labels=mode.labels), on=ROW, how="left", maintain_order="left")
    new, open_, said = pl.col(SEQUENCE).is_null(), pl.col("newest label").is_null(), pl.col("label").is_not_null()
    rows = rows.with_columns(first=mode.of_key(FEATURES, "first"), least=mode.of_key(ROW, "min"))
    like_first = pl.col("first") == pl.col(FEATURES)
    fits = pl.lit(value=True) if mode.labels else pl.when(new).then(like_first).otherwise(pl.col("fits"))
    rows = rows.with_columns(fits=fits).with_columns(giver=pl.when(pl.col("fits") & said & open_).then(ROW))
    rows = rows.with_columns(giver=mode.of_key("giver", "min"))
    gives = pl.when(pl.col(ROW) == pl.col("giver"))
    rows = rows.with_columns(given=gives.then("label"), bits=gives.then(LABEL))
    rows = rows.with_columns(
        pl.coalesce("newest label", mode.of_key("given", "max")).alias("final label"),
        pl.coalesce("newest bits", mode.of_key("bits", "max")).alias("final bits"),
        (pl.col("giver") if mode.labels else pl.coalesce("giver", pl.when(new).then("least"))).alias(TAKEN),
    )
    same = pl.col("fits") & open_ & (~said | (pl.col("label") == pl.col("final label")))
    outcome = (
        pl.when(pl.col(ROW) == pl.col(TAKEN))
        .then(pl.when(new).then(pl.lit(WAITING if mode.labels else NEW)).otherwise(pl.lit(LATE_LABEL)))
        .when(pl.col("exact") | same)
        .then(pl.lit(DUPLICATE))
        .when(pl.lit(mode.labels and mode.replace) & new)
        .then(pl.lit(WAITING))
        .otherwise(pl.lit(CONFLICT))
    )
    rows = rows.with_columns(outcome.alias(OUTCOME))
    return _correct(rows, mode) if mode.replace else rows


def both_rows(arrived: pl.DataFrame, taken: pl.DataFrame, schema: Schema) -> tuple[pl.DataFrame, str]:
    """Conflicts to be kept: each row as it arrived with the names of the columns that differ, and as it was taken.

    Args:
        arrived: rows with HIGH and LOW of their keys.
        taken: a row for each of these keys.
        schema: the columns.

    Returns:
        The rows of both, and a sentence that says in how many rows which columns differ.
    """
    names = [name for name in schema.arriving if name in arrived.columns and name in taken.columns]
    pairs = arrived.join(taken, on=[HIGH, LOW], how="left", suffix=WAS, maintain_order="left")
    differs = {name: _differ(name, pairs, schema) for name in names if name not in schema.key}
    which = pl.DataFrame(differs).select(
        pl.concat_str([pl.when(pl.col(n)).then(pl.lit(n)) for n in differs], separator=", ", ignore_nulls=True)
    )
    differs_in = which.to_series().alias("differs in")
    kept = pl.concat(
        [
            arrived.with_columns(differs_in, pl.lit("as it arrived").alias(ROW_IS)),
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
    said = arrived.is_not_null() if name in schema.targets else pl.lit(value=True)
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


def _correct(rows: pl.DataFrame, mode: Mode) -> pl.DataFrame:
    """Let the last row of each key, where it is a conflict, be a correction; it keeps the label if it has none."""
    conflict, said = pl.col(OUTCOME) == CONFLICT, pl.col("label").is_not_null()
    rows = rows.with_columns(last=mode.of_key(ROW, "max"))
    rows = rows.with_columns(features=pl.when(conflict & (pl.col(ROW) == pl.col("last"))).then(FEATURES))
    alike = conflict & (pl.col(FEATURES) == mode.of_key("features", "max")).fill_null(value=False)
    place = pl.when("alike").then(
        pl.col(ROW) + pl.when(said).then(LONGEST).otherwise(0)
    )  # a labelled one before others
    rows = rows.with_columns(alike=alike).with_columns(place=place)
    rows = rows.with_columns(best=(pl.col("place") == mode.of_key("place", "max")).fill_null(value=False))
    rows = rows.with_columns(label_of_best=pl.when("best").then("label"))
    again = pl.col("alike") & (~said | (pl.col("label") == mode.of_key("label_of_best", "max")))
    return rows.with_columns(
        pl.when("best").then(pl.lit(CORRECTION)).when(again).then(pl.lit(DUPLICATE)).otherwise(OUTCOME).alias(OUTCOME),
        pl.when("best").then(pl.coalesce(LABEL, "final bits")).otherwise(LABEL).alias(LABEL),
    )
