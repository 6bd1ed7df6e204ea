"""Whatever lands, in whatever order, with whatever crashes: each good row once, each bad or other one kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import polars as pl
import pytest
from arriving import Port, line
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from arrivals.newest import NewestRows

STEPS = (
    "db.registry.ModelRegistry.record_arrival",
    "db.registry.ModelRegistry.record_arrivals",
    "arrivals.partition_files.PartitionFiles.put",
    "arrivals.known_keys._write",
    "db.registry.ModelRegistry.ledger",
    "arrivals.sources.local_copy",
)


class KilledError(BaseException):
    """The process ends here, without a word."""


@contextmanager
def killed_at(step: str, call: int, *, after: bool) -> Iterator[None]:
    """End the process at the n-th call of a step, before or after its effect; or not at all if it is not reached."""
    real, _ = mock.patch(step).get_original()  # type: ignore[attr-defined]
    calls = 0

    def doomed(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise KilledError
        result = real(*args, **kwargs)
        if calls == call:
            raise KilledError
        return result

    with mock.patch(step, doomed):
        yield


@dataclass(frozen=True)
class Row:
    """A row to land: some are bad, some have no label yet, and one key comes with other features and labels."""

    number: int
    speed: int
    label: str
    bad: bool

    @property
    def text(self) -> str:
        """The row as CSV."""
        speed = f"bad{self.number}" if self.bad else str(self.speed)
        return line(self.number, speed=speed, late=self.label)


ROWS = st.builds(
    Row, st.integers(1, 8), st.integers(1, 3), st.sampled_from(["", "0", "1"]), st.sampled_from([True, *[False] * 5])
)


class Arriving(RuleBasedStateMachine):
    """Files land, are rewritten, delivered twice; ingests run, or are killed on their way."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.port, self.corrections = Port(self.home), "refuse"
        self.files: dict[str, list[Row]] = {}
        self.ever: list[Row] = []

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.port.registry.close()
        shutil.rmtree(self.home)

    @initialize(corrections=st.sampled_from(["refuse", "replace"]))
    def choose(self, corrections: str) -> None:
        """Another row of a known key is a conflict, or a correction."""
        self.corrections = corrections
        self.open()

    def open(self) -> None:
        """Begin as a new process does."""
        self.port.registry.close()
        self.port = Port(self.home).with_source(corrections=self.corrections)

    @rule(name=st.sampled_from("abc"), rows=st.lists(ROWS, max_size=6))
    def land(self, name: str, rows: list[Row]) -> None:
        """A file lands, or is rewritten."""
        self.port.land(f"{name}.csv", *(row.text for row in rows))
        self.files[name] = rows
        self.ever += rows

    @rule(name=st.sampled_from("abc"), copy=st.sampled_from("xyz"))
    def deliver_twice(self, name: str, copy: str) -> None:
        """A file is delivered once more, under another name."""
        if name in self.files:
            self.land(copy, self.files[name])

    @rule(step=st.sampled_from(STEPS), call=st.integers(1, 4), after=st.booleans())
    def ingest_and_be_killed(self, step: str, call: int, *, after: bool) -> None:
        """A process is killed; the next one starts from what is on disk."""
        try:
            with killed_at(step, call, after=after):
                self.port.ingest()
        except KilledError:
            pass
        self.open()

    @rule()
    def ingest(self) -> None:
        """After an ingest that ends, everything adds up."""
        self.port.ingest()
        assert self.port.ingest().files == 0
        frames = [self.port.rows(p).with_columns(kind=pl.lit(p.kind)) for p in self.port.partitions()]
        taken = [row for frame in frames for row in frame.to_dicts()]
        first = [row["id"] for row in taken if row["kind"] == "rows"]
        assert len(first) == len(set(first)), "a row was taken twice"
        now = [row for rows in self.files.values() for row in rows]
        self.check_newest()
        self.check_conflicts(taken, [row for row in now if not row.bad])
        assert {(row["id"], row["speed"]) for row in taken} <= {(str(r.number), float(r.speed)) for r in self.ever}
        self.check_refused({row.text for row in now if row.bad})
        landed = self.port.landed()
        assert sum(record.taken for record in landed) == len(taken)
        assert {record.uri for record in landed} >= {str(self.port.folder / f"{name}.csv") for name in self.files}

    def check_newest(self) -> None:
        """Of each key one row counts, and one label at most; where nothing may replace it, that is the one taken."""
        newest = NewestRows(self.port.spec, self.port.registry, self.port.store, self.home / "cache")
        partitions = self.port.partitions()
        files = zip(partitions, newest.files(partitions), strict=True)
        frames = [pl.read_parquet(path).with_columns(kind=pl.lit(p.kind)) for p, (_, path) in files]
        rows = [row for frame in frames for row in frame.to_dicts()]
        counting = [row["id"] for row in rows if row["kind"] != "labels"]
        labelled = [row["id"] for row in rows if row["late"] is not None]
        assert len(counting) == len(set(counting)), "an older row counts"
        assert len(labelled) == len(set(labelled)), "a row has two labels"
        assert {p.kind for p in partitions} <= {"rows", "labels", *["corrections"] * (self.corrections == "replace")}

    def check_conflicts(self, taken: list[dict[str, Any]], now: list[Row]) -> None:
        """Every good row of the present files is among what was taken, or kept as it came."""
        found = [refusal for refusal in self.port.registry.refusals("small") if refusal.kind == "conflict"]
        frames = [pl.read_parquet(self.home / "artifacts" / str(uri)) for uri in {refusal.uri for refusal in found}]
        arrived = [row for frame in frames for row in frame.to_dicts() if row["this is the row"] == "as it arrived"]
        known = [*taken, *arrived]
        assert {(str(r.number), float(r.speed)) for r in now} <= {(r["id"], r["speed"]) for r in known}, "a row is lost"
        labels = {(str(r.number), float(r.label)) for r in now if r.label}
        assert labels <= {(r["id"], r["late"]) for r in known}, "a label is lost"
        assert sum(refusal.rows for refusal in found) == sum(record.conflicts for record in self.port.landed())

    def check_refused(self, bad: set[str]) -> None:
        """Every bad row of the present files is kept as it came, and as many are counted as are kept."""
        found = [refusal for refusal in self.port.registry.refusals("small") if refusal.kind == "refused"]
        kept = [pl.read_parquet(self.home / "artifacts" / str(uri)) for uri in {refusal.uri for refusal in found}]
        texts = {",".join(value or "" for value in row[:5]) for frame in kept for row in frame.iter_rows()}
        assert bad <= texts, "a bad row is lost"
        assert sum(r.rows for r in found) == sum(record.refused for record in self.port.landed())


Arriving.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestArriving = pytest.mark.slow(Arriving.TestCase)
