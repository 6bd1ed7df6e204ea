"""Which partitions a check is drawn from: the season's rows are counted, not only their partitions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from db.arrival_records import PartitionRecord
from learning.data import PartitionFile
from learning.spec import DriftPolicy
from tasks.drift_windows import chosen_reference, window_files
from tiny import TINY

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(digest: str, start: datetime, end: datetime, kind: Any = "rows") -> PartitionRecord:
    """A partition of a hundred rows."""
    facts: dict[str, Any] = {"source_uri": "", "uri": "", "sha256": "", "bytes": 1, "rows": 100, "holdout_rows": 20}
    facts |= {"labelled_rows": 100, "time_from": start, "time_to": end, "kind": kind, "arrived_at": end}
    return PartitionRecord("tiny", digest, **facts)


@pytest.mark.parametrize(("rows_then", "name"), [(40, "season"), (5, "champion")])
def test_a_season_of_five_rows_is_none(tmp_path: Path, rows_then: int, name: str) -> None:
    """A partition may reach over the season and have next to nothing in it."""
    season = START, START + timedelta(days=1)
    long_ago, then = [START - timedelta(days=20)] * (100 - rows_then), [season[0]] * rows_then
    pl.DataFrame({"at": pl.Series([*long_ago, *then], dtype=pl.Datetime("us", "UTC"))}).write_parquet(tmp_path / "old")
    old = record("old", long_ago[0], season[0])
    labels = record("labels", *season, kind="labels")
    new = record("new", *(moment + timedelta(days=7) for moment in season))
    spec = replace(TINY, drift=DriftPolicy(reference="season", season="7d"))
    registry = SimpleNamespace(partitions=lambda _: (old, labels, new), trained_on=lambda *_: (old, labels))
    context: Any = SimpleNamespace(
        spec=spec,
        registry=registry,
        partition_files=lambda records: tuple(PartitionFile(r.digest, tmp_path / r.digest) for r in records),
    )
    found = chosen_reference(context, 1, [new])
    assert (found.name, found.partitions) == (name, (old,))
    window = window_files(context, found.partitions, found.spans)
    assert window.rows.scan().select(pl.len()).collect().item() == (rows_then if name == "season" else 100)
