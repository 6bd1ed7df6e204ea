"""A first models/NAME.py from a data file: which column is what, guessed from the rows, for a person to correct."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from errors import InvalidSpec, UnreadableFile
from models.spec import Schema

if TYPE_CHECKING:
    import polars as pl

TEMPLATE = Path(__file__).with_name("draft.py.txt")
SAMPLE_ROWS = 100_000
TARGETS = ("target", "label", "y", "class", "outcome")
MOST_CLASSES = 50
MOST_CATEGORIES = 2_000
LINE = 90


@dataclass(frozen=True)
class Draft:
    """What the columns of a data file seem to be; `nullable` and `ignored` follow from the rest.

    `offset` and `scale` are the mean and standard deviation of the target.
    """

    time: str
    key: tuple[str, ...]
    target: str
    objective: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    nullable: tuple[str, ...]
    ignored: tuple[str, ...]
    offset: float = 0.0
    scale: float = 1.0

    def source(self, name: str, origin: str) -> str:
        """The text of models/NAME.py."""
        kind = self.objective.split("(", maxsplit=1)[0]
        # Targets far from 0 would take a plain output thousands of steps to reach.
        scaled = f"1), layers.Rescaling({self.scale:.4g}, {self.offset:.4g}"
        outputs = {"Binary": '1, activation="sigmoid"', "Regression": scaled}
        classes = self.objective.partition("(")[2].rstrip(")")
        return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
            name=name,
            origin=json.dumps(origin),
            kind=kind,
            objective=self.objective,
            outputs=outputs.get(kind, f'{classes}, activation="softmax"'),
            time=json.dumps(self.time),
            key=_written(self.key),
            target=json.dumps(self.target),
            numeric=_written(self.numeric),
            categorical=_written(self.categorical),
            nullable=_written(self.nullable),
            ignored=_written(self.ignored),
        )


def read_sample(path: Path) -> pl.DataFrame:
    """The first rows of a CSV, Parquet or JSON Lines file.

    Raises:
        UnreadableFile: there is no such file, or it is none of these.
    """
    import polars as pl

    readers: dict[str, Callable[[Path], Any]] = {
        ".csv": _scan_csv,
        ".parquet": pl.scan_parquet,
        ".jsonl": pl.scan_ndjson,
        ".ndjson": pl.scan_ndjson,
    }
    if path.suffix not in readers:
        fix = f"choose a file that ends in {', '.join(readers)}"
        raise UnreadableFile(f"file '{path}'", f"it ends in '{path.suffix}'", fix)
    try:
        sample: pl.DataFrame = readers[path.suffix](path).head(SAMPLE_ROWS).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnreadableFile(f"file '{path}'", f"it could not be read ({error})", "check that it is whole") from error
    return sample


def draft(frame: pl.DataFrame, *, time: str = "", target: str = "", key: Iterable[str] = ()) -> Draft:
    """Guess what the columns are.

    Args:
        frame: some rows.
        time: column of the event time; by default the first that holds dates.
        target: column of the label; by default one called target, label, y, class or outcome, else the last.
        key: columns that name one row; by default the shortest run of columns that does.

    Raises:
        InvalidSpec: a named column is not there, or no column can be the time, the target or an input.
    """
    for column in [time, target, *key]:
        if column and column not in frame.columns:
            near = get_close_matches(column, frame.columns, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise InvalidSpec(f"column '{column}'", "the file has none of this name", f"{hint}it has {frame.columns}")
    time = time or next((name for name in frame.columns if _is_time(frame[name])), "")
    if not time:
        raise InvalidSpec(f"columns {frame.columns}", "none of them holds dates", "name one with --time COLUMN")
    target = target or next((name for name in frame.columns if name.lower() in TARGETS), frame.columns[-1])
    objective = _objective(frame[target])
    keys = tuple(key) or _key(frame, time, target)
    single = keys if len(keys) == 1 else ()
    rest = [name for name in frame.columns if name not in {time, target, *single} and not _is_time(frame[name])]
    numeric = tuple(name for name in rest if name not in keys and _is_measure(frame[name]))
    categorical = tuple(name for name in rest if _is_category(frame[name]))
    if not numeric and not categorical:
        raise InvalidSpec(f"columns {frame.columns}", "none of them can be an input", "add columns to learn from")
    inputs = {*numeric, *categorical}
    Schema(time, keys, target, numeric, categorical)  # refuses names that no model could have
    return Draft(
        time=time,
        key=keys,
        target=target,
        objective=objective,
        numeric=numeric,
        categorical=categorical,
        nullable=tuple(name for name in frame.columns if name in inputs and _has_gaps(frame[name])),
        ignored=tuple(name for name in frame.columns if name not in inputs | {time, target, *keys}),
        offset=float(frame[target].mean() or 0.0),  # type: ignore[arg-type]
        scale=float(frame[target].std() or 1.0),  # type: ignore[arg-type]
    )


def _objective(target: pl.Series) -> str:
    """Binary for 0 and 1, Multiclass for few whole numbers from 0 on, else Regression."""
    known = target.drop_nulls()
    if not len(known):
        raise InvalidSpec(f"target '{target.name}'", "no row has a value of it", "name another column with --target")
    if not known.dtype.is_numeric():
        raise InvalidSpec(
            f"target '{target.name}' of type {target.dtype}",
            "a target is a number",
            "write classes as 0, 1, 2 …, or name another column with --target",
        )
    values = sorted(known.unique().to_list())
    if values in ([0, 1], [0], [1]):
        return "Binary()"
    if values == list(range(len(values))) and len(values) <= MOST_CLASSES:
        return f"Multiclass({len(values)})"
    return "Regression()"


def _key(frame: pl.DataFrame, time: str, target: str) -> tuple[str, ...]:
    """A column that is unique, or text and time and whole numbers until together they are."""
    exact = [name for name in frame.columns if name != target and _is_name(frame[name])]
    for name in exact:
        if name != time and frame[name].n_unique() == len(frame):
            return (name,)
    chosen: list[str] = [time]
    for name in exact:
        if frame.select(chosen).n_unique() == len(frame):
            break
        if name != time:
            chosen.append(name)
    if frame.select(chosen).n_unique() < len(frame):
        raise InvalidSpec(
            f"{len(frame):,} rows with columns {frame.columns}",
            f"no columns name a row: some rows are alike in {', '.join(chosen)}",
            "add a column that does, or name the key's columns with --key COLUMN",
        )
    return tuple(chosen)


def _has_gaps(column: pl.Series) -> bool:
    """Whether values are missing: null, or not a number."""
    return bool(column.null_count() or (column.dtype.is_float() and column.is_nan().any()))


def _is_time(column: pl.Series) -> bool:
    import polars as pl

    return column.dtype in (pl.Date, pl.Datetime)


def _is_measure(column: pl.Series) -> bool:
    return bool(column.dtype.is_numeric()) and column.n_unique() > 1


def _is_name(column: pl.Series) -> bool:
    """Whether values are exact, as those of a key are."""
    import polars as pl

    return column.dtype == pl.String or column.dtype.is_integer()


def _is_category(column: pl.Series) -> bool:
    import polars as pl

    if column.dtype == pl.Boolean:
        return True
    return column.dtype == pl.String and 1 < column.n_unique() <= min(MOST_CATEGORIES, max(2, len(column) // 2))


def _scan_csv(path: Path) -> pl.LazyFrame:
    import polars as pl

    return pl.scan_csv(path, try_parse_dates=True, infer_schema_length=10_000)


def _written(names: Iterable[str]) -> str:
    """A tuple as a formatter writes it, inside a call that is indented by four."""
    quoted = [json.dumps(name) for name in names]
    line = f"({quoted[0]},)" if len(quoted) == 1 else f"({', '.join(quoted)})"
    if len(line) <= LINE:
        return line
    return "(\n" + "".join(f"        {name},\n" for name in quoted) + "    )"
