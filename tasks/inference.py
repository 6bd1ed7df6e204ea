"""A first Schema for rows that nobody has described yet: guesses, each with the ground it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import polars as pl

from errors import UnreadableFile
from tasks.landing import HINT, Landed, local_copy
from tasks.times import parse_times

ROWS = 10_000  # looked at
FEW = 6  # different values, of a column whose values may all be known
TARGETS = ("target", "label", "y", "class", "outcome")
SHARE_OF_NUMBERS = 0.99


@dataclass(frozen=True)
class Guess:
    """What a file's columns seem to be."""

    time: str
    key: tuple[str, ...]
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    tensors: dict[str, tuple[int, ...]]
    nullable: tuple[str, ...]
    doubts: tuple[str, ...]


def infer_schema(path: Path, target: str | None = None) -> str:
    """Python source of a first Schema, with a comment wherever a person should look.

    Raises:
        UnreadableFile: the file cannot be read, has no rows, or no column that holds times.
    """
    guess = guess_schema(_sample(path), path.name, target)
    fields = {
        "time": guess.time,
        "key": guess.key,
        "target": guess.target,
        "numeric": guess.numeric,
        "categorical": guess.categorical,
        "tensors": guess.tensors,
        "nullable": guess.nullable,
    }
    lines = [f"    {name}={value!r}," for name, value in fields.items() if value]
    doubts = [f"# {doubt}" for doubt in guess.doubts]
    return "\n".join([*doubts, "schema = Schema(", *lines, ")"])


def guess_schema(rows: pl.DataFrame, name: str, target: str | None = None) -> Guess:
    """What the columns of some rows seem to be.

    Args:
        rows: some rows.
        name: how messages call the file.
        target: column of the label, if it is known.
    """
    times = [column for column in rows.columns if _is_time(rows[column])]
    if not times:
        raise UnreadableFile(
            name, "no column holds times", "add the time of each row's event, such as 2013-01-31T17:05:00Z"
        )
    tensors = {column: _shape(rows[column]) for column in rows.columns if rows[column].dtype.is_nested()}
    tensors = {column: shape for column, shape in tensors.items() if shape}
    plain = [column for column in rows.columns if column not in times and not rows[column].dtype.is_nested()]
    label, doubts = _target(plain, target, name)
    key = _key(rows, [column for column in [*plain, *times] if column != label])
    if len(key) > 1 or not _looks_like_id(key[0]):
        doubts.append(
            f"key: {', '.join(key)} together are unique in the first {rows.height:,} rows; is that so by nature?"
        )
    inputs = [column for column in plain if column != label and not (column in key and _looks_like_id(column))]
    numeric = [column for column in inputs if _is_number(rows[column])]
    categorical = [column for column in inputs if column not in numeric]
    if len(times) > 1:
        doubts.append(f"time: {', '.join(times[1:])} hold times too")
    if dropped := [column for column in rows.columns if column not in {*times, *tensors, *key, label, *inputs}]:
        doubts.append(f"left out: {', '.join(dropped)}; say so with Source(ignore=(...))")
    for column in categorical:
        values = rows[column].drop_nulls().unique().sort()
        if len(values) <= FEW < rows.height:
            doubts.append(f"allowed={{'{column}': {tuple(values)}}} if no other value can be right")
    return Guess(
        time=times[0],
        key=key,
        target=label,
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        tensors=tensors,
        nullable=tuple(column for column in inputs if rows[column].null_count()),
        doubts=tuple(doubts),
    )


def _sample(path: Path) -> pl.DataFrame:
    """The first rows of a file, with the types that Polars reads."""
    from tempfile import TemporaryDirectory

    file = Landed(str(path), "", path.stat().st_size)
    readers = {"csv": pl.scan_csv, "jsonl": pl.scan_ndjson, "parquet": pl.scan_parquet}
    if file.format is None:
        raise UnreadableFile(path.name, "its name does not say what it is", HINT)
    with TemporaryDirectory() as work, local_copy(file, Path(work)) as (plain, _):
        try:
            rows: pl.DataFrame = readers[file.format](plain).head(ROWS).collect()  # type: ignore[operator]
        except pl.exceptions.PolarsError as error:
            raise UnreadableFile(path.name, f"it cannot be parsed ({error})", HINT) from error
    if not rows.height:
        raise UnreadableFile(path.name, "it has no rows", "infer from a file with some")
    return rows


def _is_time(column: pl.Series) -> bool:
    """Whether every value that is there is a time."""
    if column.dtype.is_temporal():
        return isinstance(column.dtype, pl.Datetime | pl.Date)
    there = column.drop_nulls()
    return column.dtype == pl.String and len(there) > 0 and parse_times(there).null_count() == 0


def _is_number(column: pl.Series) -> bool:
    """Whether a column holds numbers to calculate with."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return True
    numbers = column.drop_nulls().cast(pl.Float64, strict=False) if column.dtype == pl.String else pl.Series([None])
    return len(numbers) > 0 and 1 - numbers.null_count() / len(numbers) >= SHARE_OF_NUMBERS


def _looks_like_id(name: str) -> bool:
    lower = name.lower()
    return lower in {"id", "key", "uuid"} or lower.endswith(("_id", "id", "_key", "_no", "number"))


def _shape(column: pl.Series) -> tuple[int, ...]:
    """The one shape of a column's lists; () where there is none."""
    if not isinstance(column.dtype, pl.List | pl.Array):
        return ()
    values = column.drop_nulls()
    lists = values.arr.to_list() if isinstance(values.dtype, pl.Array) else values
    lengths = lists.list.len().unique()
    if len(lengths) != 1:
        return ()
    inner = lists.explode()
    return (int(lengths[0]), *_shape(inner)) if inner.dtype.is_nested() else (int(lengths[0]),)


def _target(columns: list[str], given: str | None, name: str) -> tuple[str, list[str]]:
    """The label's column: the given one, one that is called so, or the last."""
    if given and given not in columns:
        raise UnreadableFile(name, f"it has no column '{given}'", f"choose the target from: {', '.join(columns)}")
    if not columns:
        raise UnreadableFile(name, "it has no column besides times", "add inputs and a label")
    called = [column for column in columns if column.lower() in TARGETS]
    if given or called:
        return given or called[0], []
    return columns[-1], [f"target: '{columns[-1]}' is a guess, the last column; say --target COLUMN"]


def _key(rows: pl.DataFrame, columns: list[str]) -> tuple[str, ...]:
    """The fewest columns that together are unique, those that look like identifiers first."""
    usable = [column for column in columns if not rows[column].null_count() and not rows[column].dtype.is_float()]
    usable.sort(key=lambda column: (not _looks_like_id(column), -rows[column].n_unique()))
    for size in (1, 2, 3, 4):
        for some in combinations(usable[:8], size):
            if rows.select(pl.struct(some).n_unique()).item() == rows.height:
                return some
    return tuple(usable[:1] or columns[:1])
