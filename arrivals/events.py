"""Lines of JSON become events: typed and checked as arriving rows are; each that is refused has its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from arrivals.json_lines import PYTHON, JsonLines
from arrivals.keys import HIGH, HOLDOUT, LOW, held_out, key_hashes
from arrivals.text_blocks import BOM
from arrivals.validation import REASON, Validator, with_commas

if TYPE_CHECKING:
    from learning.spec import ModelSpec, Schema

PLACE = "place of the line"  # a name that no schema column is likely to have
LATE = {"key", "label"}
NO_LABEL = "the label is missing"


@dataclass(frozen=True)
class Event:
    """A row that came by itself.

    Args:
        key: names it: 128 bits in hexadecimal digits.
        row: its columns, as JSON can hold them; the time in microseconds since 1970.
        at: its time, in seconds since 1970.
        label: as the number that a model learns; None where it is not known yet.
        holdout: whether no version may ever learn from it.
    """

    key: str
    row: dict[str, Any]
    at: float
    label: float | None
    holdout: bool


@dataclass(frozen=True)
class LateLabel:
    """The label of an event that came before."""

    key: str
    label: float


@dataclass(frozen=True)
class Refused:
    """A line that is no event, and why: in words that name columns, and never a value."""

    reason: str


Judged: TypeAlias = Event | LateLabel | Refused


class _Numbered(Validator):
    """A validator that says which rows are the good ones."""

    @cached_property
    def kinds(self) -> dict[str, pl.DataType]:
        """The type of each column, and of the line's place."""
        return {**Validator.kinds.func(self), PLACE: pl.Float64()}  # type: ignore[attr-defined]


class EventReader:
    """Reads the lines of one model's stream.

    Args:
        spec: the model.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._schema = spec.schema
        self._validator = _Numbered(spec.schema, spec.objective, spec.source, json=True)
        self._commas = with_commas(spec)

    def judge(self, lines: Sequence[bytes]) -> list[Judged]:
        """What each line is, in their order.

        A line is the schema's columns, with or without the label; or, of an event that came without, an object of "key"
        and "label", where a key of several columns is an object or a list of them.
        """
        judged: dict[int, Judged] = {}
        rows, labels = dict[int, bytes](), dict[int, bytes]()
        bare = (line.removeprefix(BOM).strip() for line in lines)  # a file from Windows often begins with one
        for place, line in enumerate(bare):
            found = _parsed(line)
            if isinstance(found, Refused):
                judged[place] = found
            elif set(found) == LATE:
                labels[place] = json.dumps(_as_row(self._schema, found)).encode()
            else:
                rows[place] = line
        schema = self._schema
        judged |= self._read(rows, schema.arriving)
        judged |= self._read(labels, tuple(dict.fromkeys((*schema.key, schema.target))), late=True)
        return [judged[place] for place in range(len(lines))]

    def _read(self, lines: dict[int, bytes], columns: tuple[str, ...], *, late: bool = False) -> dict[int, Judged]:
        """Judge lines that are JSON objects, all at once; where one is none to Polars, each by itself."""
        if not lines:
            return {}
        text = b"".join(line + b"\n" for line in lines.values())
        found, broken, _ = JsonLines(columns, None, commas=self._commas).judge(text, True)
        if found.height != len(lines):
            if len(lines) == 1:
                return {place: Refused(broken[0][1] if broken else "the line is no JSON object") for place in lines}
            return {
                p: one
                for place, line in lines.items()
                for p, one in self._read({place: line}, columns, late=late).items()
            }
        if self._schema.time is None and not late:
            found = found.with_columns(pl.lit(datetime.now(UTC).isoformat()).alias(self._schema.event_time))
        numbered = found.with_columns(pl.Series(PLACE, list(lines), pl.Int64))
        names = columns if late else self._schema.columns
        checked = self._validator.validate(numbered, (*names, PLACE))
        good = [int(place) for place in checked.rows[PLACE]]
        bad = sorted(set(lines) - set(good))
        reasons = checked.refused[REASON] if checked.refused is not None else ()
        read = late_labels(checked.rows, self._schema) if late else events(checked.rows, self._schema)
        return dict(zip(good, read, strict=True)) | {
            place: Refused(reason) for place, reason in zip(bad, reasons, strict=True)
        }


def events(rows: pl.DataFrame, schema: Schema) -> Iterator[Event]:
    """Typed rows as events."""
    if not rows.height:
        return
    keys = key_hashes(rows, schema.key)
    out = rows[HOLDOUT] if HOLDOUT in rows.columns else held_out(rows, keys[HIGH], schema)
    label, time = schema.label().alias("label"), pl.col(schema.event_time)
    beside = rows.select(label, time.dt.epoch("us").alias("at"))
    plain = rows.select(name for name in schema.columns if name != schema.target)
    plain = plain.with_columns(time.dt.epoch("us"))
    parts = zip(plain.iter_rows(named=True), _names(keys), out, *beside.get_columns(), strict=True)
    for row, key, holdout, known, at in parts:
        yield Event(key, row, at / 1e6, known, holdout)


def late_labels(rows: pl.DataFrame, schema: Schema) -> Iterator[LateLabel | Refused]:
    """Typed keys and labels."""
    labels = rows.select(schema.label()).to_series()
    for key, label in zip(_names(key_hashes(rows, schema.key)), labels, strict=True):
        yield Refused(NO_LABEL) if label is None else LateLabel(key, label)


def as_frame(rows: Sequence[dict[str, Any]], schema: Schema, kinds: dict[str, pl.DataType]) -> pl.DataFrame:
    """Events' rows as a table, typed as a partition is; the column of labels, which they lack, is left out."""
    wanted = {name: kind for name, kind in kinds.items() if name != schema.target}
    read = {name: pl.Int64() if name == schema.event_time else kind for name, kind in wanted.items()}
    columns = {name: [row.get(name) for row in rows] for name in wanted}  # one may be newer than a row that waited
    frame = pl.DataFrame({name: pl.Series(name, columns[name], read[name], strict=False) for name in wanted})
    return frame.with_columns(pl.from_epoch(schema.event_time, "us").dt.replace_time_zone("UTC"))


def _names(keys: pl.DataFrame) -> Iterator[str]:
    return (f"{high:016x}{low:016x}" for high, low in keys.select(HIGH, LOW).iter_rows())


def _parsed(line: bytes) -> dict[str, Any] | Refused:
    """The object that a line holds."""
    try:
        found = PYTHON.decode(line.decode())
    except UnicodeDecodeError:
        return Refused("the line holds bytes that are no UTF-8")
    except (ValueError, RecursionError):
        return Refused("the line is no JSON")
    return found if isinstance(found, dict) else Refused("the line is no JSON object")


def _as_row(schema: Schema, found: dict[str, Any]) -> dict[str, Any]:
    """A late label as the columns of key and label."""
    key = found["key"]
    if isinstance(key, dict):
        named = {name: key.get(name) for name in schema.key}
    else:
        values = key if isinstance(key, list) and len(key) == len(schema.key) else [key]
        named = dict(zip(schema.key, values, strict=False))
    return {**named, schema.target: found["label"]}
