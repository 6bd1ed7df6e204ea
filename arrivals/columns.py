"""The columns that a landed file must have, and what is said if they are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from errors import SchemaMismatch

SHOWN = 20  # column names in a message


@dataclass(frozen=True)
class Wanted:
    """The columns that a file must have.

    Args:
        columns: their names.
        optional: those of them that may be missing, and are then null.
        ignore: further columns that may be there; "*" for any.
    """

    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def complete(frame: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    """The wanted columns in the wanted order; what is missing is null."""
    gone = [pl.lit(None, pl.String).alias(column) for column in wanted.columns if column not in frame.columns]
    return frame.with_columns(gone).select(wanted.columns)


def check_columns(found: Sequence[str], wanted: Wanted, name: str) -> None:
    """Refuse a file whose columns are not the wanted ones, saying which, and what they may have been called.

    Raises:
        SchemaMismatch: columns are missing, new or there twice.
    """
    twice = sorted({column for column in found if found.count(column) > 1}) if len(set(found)) < len(found) else []
    missing = [column for column in wanted.columns if column not in set(found) | set(wanted.optional)]
    known = {*wanted.columns, *wanted.ignore}
    new = [] if "*" in wanted.ignore else [column for column in found if column not in known]
    if not (twice or missing or new):
        return
    near = {column: suggestion for column in missing[:SHOWN] if (suggestion := _nearest(column, new))}
    faults = [f"it has no {_quoted([column])}{suggestion}" for column, suggestion in near.items()]
    if gone := [column for column in missing if column not in near]:
        faults.append(f"it has no {_quoted(gone)}")
    if strange := [column for column in new if not any(f"'{column}'" in suggestion for suggestion in near.values())]:
        faults.append(f"nobody expects {_quoted(strange)}{_nearest(strange[0], wanted.columns)}")
    if twice:
        faults.append(f"{_quoted(twice)} stands there twice")
    fix = (
        "rename the columns, or the schema's" if missing else "add new columns to the schema, or to Source(ignore=...)"
    )
    expected = f"expected {_quoted(wanted.columns)}, found {_quoted(found)}"
    raise SchemaMismatch(name, f"{'; '.join(faults)} ({expected})", fix)


def _nearest(name: str, among: Sequence[str]) -> str:
    near = _close(name, among)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _close(name: str, among: Sequence[str]) -> list[str]:
    lower = {other.lower().strip(): other for other in among[:1_000]}
    return [lower[near] for near in get_close_matches(name.lower().strip(), lower, n=1, cutoff=0.6)]


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:60]}'" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
