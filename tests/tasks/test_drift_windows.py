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
from learning.spec import Binary, DriftPolicy, Multiclass
from tasks.drift_outputs import prediction_names
from tasks.drift_windows import chosen_reference, compared_columns, window_files
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


def test_each_kind_of_column_is_compared_as_what_it_is() -> None:
    """Declared text is text, and a target of words is one of categories, also where there are two."""
    schema = replace(TINY.schema, text=("note",))
    spec = replace(TINY, schema=schema, objective=Binary(classes=("no", "yes")))
    found = {column.name: (column.kind, column.role) for column in compared_columns(spec)}
    assert found == {
        "speed": ("number", "input"),
        "city": ("category", "input"),
        "note": ("text", "input"),
        "late": ("category", "target"),
    }
    assert {column.name: column.kind for column in compared_columns(TINY)}["late"] == "number"


def test_outputs_are_called_by_the_words_of_their_classes() -> None:
    """Or by their number; a single output is the prediction."""
    assert prediction_names(Multiclass(classes=("cat", "dog")), 2) == ["champion/class cat", "champion/class dog"]
    assert prediction_names(Multiclass(2), 2) == ["champion/class 0", "champion/class 1"]
    assert prediction_names(Binary(), 1) == ["champion/prediction"]
