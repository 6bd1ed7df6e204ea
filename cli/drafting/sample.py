"""The first rows of somebody's file, with the types that landing would make of its columns."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray

from arrivals.json_lines import open_lines
from arrivals.listing import HINT, ListedFile
from arrivals.local_copies import LocalCopy, local_copy
from arrivals.numbers import NO_NUMBER, PLAIN, Writing, unmarked
from arrivals.readers import UTF8, read_header
from arrivals.tensors import as_tensor
from arrivals.text_blocks import is_utf8
from arrivals.times import parse_times
from errors import UnreadableFile
from evergreen_client.shown import gist
from learning.data import Columns, PartitionFile, read_inputs
from learning.schema import Schema

ROWS = 100_000  # read
SHARE = 0.99  # of values that must be of a type
FIRST_BYTES = 1 << 26  # looked at for other encodings
UNKNOWN_SIGN = "\N{REPLACEMENT CHARACTER}"
LEADING_ZERO = r"^0\d"  # a code, not a number
DIGITS = r"^[+-]?\d+$"
FIRST_READ = 1_000  # rows that a model is tried on
FIRST = 100  # values that say whether a column may hold times
YES_AND_NO = {"true": True, "false": False}


def read_sample(path: Path) -> pl.DataFrame:
    """The first rows of a file in any form that may land.

    Raises:
        UnreadableFile: there is no such file, it is no table, or it has no rows.
    """
    if not path.is_file():
        why = "it is a folder" if path.is_dir() else "there is no such file"
        raise UnreadableFile(f"'{path}'", why, "name one file of rows")
    file = ListedFile(str(path), "", path.stat().st_size)
    if file.refusal:
        raise UnreadableFile(path.name, file.refusal, HINT)
    with TemporaryDirectory() as work, local_copy(file, Path(work)) as copy:
        try:
            rows = _scan(copy).head(ROWS).collect()
            if copy.format == "csv":
                _refuse_other_encodings(rows, copy)
            rows = rows if copy.format == "csv" else rows.select(_kept(column) for column in rows.iter_columns())
        except (pl.exceptions.PolarsError, OverflowError) as error:
            raise UnreadableFile(path.name, f"it cannot be parsed ({gist(error)})", HINT) from error
    if not rows.height:
        raise UnreadableFile(path.name, "it has no rows", "infer from a file with some")
    return rows


def _scan(file: LocalCopy) -> pl.LazyFrame:
    if file.format == "parquet":
        return pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    if file.format == "jsonl":
        with open_lines(file.path) as lines:
            return pl.scan_ndjson(b"".join(islice(lines, ROWS)), infer_schema_length=ROWS)
    name = Path(file.name).name  # a compressed file's copy is called otherwise
    header, separator = read_header(file.path, name=name)
    if twice := sorted(column for column, times in Counter(header).items() if times > 1):
        raise UnreadableFile(name, f"two columns are called '{twice[0]}'", "rename one of them")
    options = {"infer_schema": False, "encoding": "utf8-lossy", "truncate_ragged_lines": True, "glob": False}
    return pl.scan_csv(file.path, separator=separator, new_columns=header, **options)  # type: ignore[arg-type]


def _refuse_other_encodings(rows: pl.DataFrame, file: LocalCopy) -> None:
    """Refuse text of which more than a few rows are no UTF-8: landing would refuse these rows."""
    with file.path.open("rb") as stream:
        start = stream.read(FIRST_BYTES)
    if is_utf8(start[: start.rfind(b"\n") + 1]):
        return
    signs = (column.str.contains(UNKNOWN_SIGN, literal=True).fill_null(value=False) for column in rows.iter_columns())
    broken = rows.select(pl.any_horizontal(signs)).to_series().sum()
    if broken > (1 - SHARE) * rows.height:
        why = f"{broken:,} of its first {rows.height:,} rows hold bytes that are no UTF-8"
        raise UnreadableFile(Path(file.name).name, why, UTF8)


def _kept(column: pl.Series) -> pl.Series:
    """Text of a file that has types: times where it holds these, else categories, as digits are codes there."""
    if column.dtype != pl.String:
        return column
    times = _times(column, column.str.strip_chars())
    return column.cast(pl.Categorical) if times.dtype == pl.String else times


def typed(column: pl.Series, writing: Writing = PLAIN) -> pl.Series:
    """Text that holds numbers, yes and no, or times, with few exceptions, as these; anything else as it is.

    Args:
        column: the text.
        writing: what separates decimals and thousands in it.
    """
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if column.dtype != pl.String:
        return column
    words = column.str.strip_chars()
    lower = words.str.to_lowercase()
    words = words.set(lower.is_in(NO_NUMBER).fill_null(True), None)
    if words.null_count() == len(words):
        return column
    if lower.drop_nulls().is_in([*YES_AND_NO, ""]).all():
        return lower.replace_strict(YES_AND_NO, default=None, return_dtype=pl.Boolean)
    plain = words.to_frame().select(unmarked(pl.col(column.name), writing)).to_series()
    numbers = plain.cast(pl.Float64, strict=False)
    return _numbers(column, plain, numbers) if _most(numbers, words) else _times(column, words)


def _most(typed: pl.Series, words: pl.Series) -> bool:
    """Whether nearly all words are values of a type."""
    return len(typed.drop_nulls()) >= SHARE * len(words.drop_nulls())


def _times(column: pl.Series, words: pl.Series) -> pl.Series:
    """Words as times; but the column as it is where the first ones, or too many, are none."""
    if parse_times(words.drop_nulls().head(FIRST)).null_count() > FIRST // 2:
        return column
    times = parse_times(column)
    return times if _most(times, words) else column


def _numbers(column: pl.Series, words: pl.Series, numbers: pl.Series) -> pl.Series:
    """Words as numbers; but the column as it is where they are codes: 0123, or more digits than a number has."""
    known = words.drop_nulls()
    whole = words.cast(pl.Int64, strict=False)
    if whole.null_count() == numbers.null_count():
        return column if known.str.contains(LEADING_ZERO).any() else whole
    return column if known.str.contains(DIGITS).all() else numbers


def rows_as_read(rows: pl.DataFrame, schema: Schema, folder: Path) -> tuple[NDArray[np.float64], Columns]:
    """The first labelled rows of a sample as a model would read them: targets, and the inputs by column."""
    known = rows.filter(pl.col(schema.target).is_not_null()).head(FIRST_READ)
    tensors = [as_tensor(known[name], pl.Array(pl.Float32, prod(shape))) for name, shape in schema.tensors.items()]
    text = [pl.col(name).cast(pl.String) for name in schema.categorical]
    path = folder / "sample.parquet"
    known.with_columns(*tensors, *text).write_parquet(path)
    target = known[schema.target].cast(pl.Float64).to_numpy()
    return target, read_inputs(schema, PartitionFile("sample", path))
