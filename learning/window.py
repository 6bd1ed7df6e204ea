"""The last rows of a row's entity as its inputs: which rows a window holds, and the columns that keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from errors import InvalidSpec

if TYPE_CHECKING:
    import polars as pl

    from learning.schema import Schema

MASK = "mask"  # the input that says which steps of a window are rows
LEAST = 2

# Columns of a partition; no column that arrives has a "/".
STEPS = "window/rows"  # how many rows a window holds
PLACE = "window/place"  # the how manieth row of its entity a row is
FROM = "window/from"  # the partition that each row of a window came with, by sequence number; 0 of none


@dataclass(frozen=True)
class Window:
    """The last rows of each row's entity, itself the last, as inputs of shape (rows, length).

    Args:
        by: columns that together name an entity, such as a station or a machine; a window holds rows of one.
        length: rows in a window, 2 or more. Where an entity has fewer, it is padded in front: 0 of a number, "" of a
            category, False in the input "mask".
        step: how many rows of an entity lie between two examples: with 1 each row is one, with 24 the 24th, the 48th
            and so on, as they arrive. The others are in windows all the same.

    Example:
        >>> Window(by=("station",), length=24)
        Window(by=('station',), length=24, step=1)
    """

    by: tuple[str, ...]
    length: int
    step: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no window; raises InvalidSpec."""
        if isinstance(self.by, str) or not self.by:
            raise InvalidSpec(f"a Window by {self.by!r}", "it names no columns", 'write by=("station",)')
        object.__setattr__(self, "by", tuple(self.by))
        for name, least in {"length": LEAST, "step": 1}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                why = f"it is a number of rows, {least} or more"
                raise InvalidSpec(f"{name} {value!r} of a Window", why, f"write {name}={max(least, 24)}, or the like")


def refuse_window(schema: Schema) -> None:
    """Refuse a window that the rest of its schema contradicts.

    A window must lie on one side of the holdout as a whole: a row that is trained on would else hold rows that no
    version ever learns from. So what decides the holdout has to be the same in all rows of a window.

    Raises:
        InvalidSpec: it does, with the way.
    """
    window = schema.window
    if window is None:
        return
    shown = f"a Window by {window.by}"
    if schema.time is None:
        raise InvalidSpec(shown, "rows that bring no time have no last ones", 'name their time in Schema(time="...")')
    if wide := sorted({*schema.tensors, *schema.text, *schema.files}):
        fix = "leave them out, or the window: only numbers and categories have windows"
        raise InvalidSpec(f"{shown} beside columns {wide}", "tensors, text and files have none", fix)
    if MASK in schema.columns:
        raise InvalidSpec(f"column '{MASK}' beside a Window", "Evergreen gives an input of this name", "rename it")
    may = dict.fromkeys((*schema.key, *schema.entity, *schema.categorical))
    usable = [name for name in may if name not in (schema.time, schema.target)]
    if strangers := sorted(set(window.by) - set(usable)):
        fix = f"choose from {sorted(usable)}"
        raise InvalidSpec(f"{shown}: {strangers}", "they are no columns of the key, entity or categories", fix)
    if empty := sorted((set(window.by) & set(schema.nullable)) - {*schema.key, *schema.entity}):
        raise InvalidSpec(f"{shown}: {empty}", "they may be null, which names nobody", "take them out of nullable")
    if set(schema.key) <= set(window.by):
        fix = "name fewer, such as the station and not its time"
        raise InvalidSpec(shown, "these columns are the key, so that no two rows share them", fix)
    if not set(schema.entity or schema.key) <= set(window.by):
        why = "rows of one window could be held out and others not, and training would see those that are held out"
        fix = f"write entity={window.by}, or some of these columns, beside it"
        raise InvalidSpec(f"{shown} and a holdout by {schema.entity or schema.key}", why, fix)


def window_kinds(schema: Schema) -> dict[str, pl.DataType]:
    """The type of each column of a partition that keeps its rows' windows; none of a schema without.

    Example:
        >>> from learning.schema import Schema
        >>> station = Window(by=("station",), length=3)
        >>> key = ("station", "at")
        >>> list(window_kinds(Schema("at", key, "rain", ("wind",), entity=("station",), window=station)))
        ['wind/window', 'window/rows', 'window/place', 'window/from']
    """
    import polars as pl

    if schema.window is None:
        return {}
    size = schema.window.length
    numbers = {kept_window(name): pl.Array(pl.Float32, size) for name in schema.numeric}
    words = {kept_window(name): pl.Array(pl.String, size) for name in schema.categorical}
    return {**numbers, **words, STEPS: pl.UInt32(), PLACE: pl.Int64(), FROM: pl.Array(pl.UInt32, size)}


def kept_window(name: str) -> str:
    """The column of a partition that keeps a column's windows."""
    return f"{name}/window"


def window_record(window: Window | None) -> dict[str, Any] | None:
    """A window as JSON can hold it.

    Example:
        >>> window_of(window_record(Window(("station",), 24))) == Window(("station",), 24)
        True
    """
    return None if window is None else {**asdict(window), "by": list(window.by)}


def window_of(record: Mapping[str, Any] | None) -> Window | None:
    """The same again, from its record."""
    return None if record is None else Window(**{**record, "by": tuple(record["by"])})
