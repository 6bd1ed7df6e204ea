"""Pumps that are measured every hour, with windows over their last three rows: what tests of windows share."""

from __future__ import annotations

import polars as pl
from arriving import Port

from arrivals.newest import NewestRows
from learning.data import PartitionFile, read_inputs
from learning.schema import Schema
from learning.window import MASK, Window

SCHEMA = Schema(
    time="at",
    key=("pump", "at"),
    target="late",
    numeric=("heat",),
    categorical=("state",),
    entity=("pump",),
    nullable=("heat", "state"),
    window=Window(by=("pump",), length=3),
)
HEADER = "at,pump,heat,state,late"
Seen = dict[str, tuple[list[float], list[str]]]


def hour(hour: int, pump: str = "a", *, heat: str = "", late: str = "1") -> str:
    """A row as CSV: of an hour, its number as heat, and its word as state."""
    return f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00:00Z,{pump},{heat or hour},s{hour},{late}"


def land(port: Port, name: str, *lines: str) -> None:
    """Land a file and take it."""
    port.land(name, *lines, header=HEADER)
    port.ingest()


def name_of(pump: str, at: object) -> str:
    """A row's pump and hour, as in "a17"."""
    return f"{pump}{(at.day - 1) * 24 + at.hour}"  # type: ignore[attr-defined]


def seen(port: Port) -> Seen:
    """What the base gets of every row that is read, by pump and hour: only steps that are rows."""
    spec, found = port.spec, Seen()
    newest = NewestRows(spec, port.registry, port.store, port.home / "cache")
    for digest, path in newest.files(newest.counted(port.partitions())):
        rows, inputs = pl.read_parquet(path), read_inputs(spec.schema, PartitionFile(digest, path))
        for place, (pump, at) in enumerate(rows.select("pump", "at").iter_rows()):
            mask = inputs[MASK][place]
            assert not inputs["heat"][place][~mask].any()
            assert set(inputs["state"][place][~mask]) <= {""}
            assert mask.tolist() == sorted(mask)  # padded in front
            found[name_of(pump, at)] = inputs["heat"][place][mask].tolist(), inputs["state"][place][mask].tolist()
    return found


def heats(port: Port) -> dict[str, list[float]]:
    """The same of the numbers alone."""
    return {name: numbers for name, (numbers, _) in seen(port).items()}
