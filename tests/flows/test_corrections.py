"""Corrected rows through whole runs: training, gate, scores and drift follow the newest version of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from db.registry import open_registry
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.data import Selection
from learning.examples import Examples, Read
from learning.spec import DriftPolicy, Replay, Source
from settings import Settings
from tiny import TINY, Landing

pytestmark = pytest.mark.slow

REPLACING = replace(
    TINY,
    source=Source("tiny", corrections="replace"),
    finetune=replace(TINY.finetune, replay=Replay(1.0)),
    drift=DriftPolicy(stop_when_broken=False),  # the corrected speeds lie far outside of all others
)


def corrected(path: Path, rows: int) -> None:
    """Land the first rows of a file again with the opposite label and another speed."""
    frame = pl.read_parquet(path).head(rows)
    frame.with_columns(late=1 - pl.col("late"), speed=pl.col("speed") + 100).write_parquet(
        path.with_name("again.parquet")
    )


@pytest.mark.parametrize("rows", [200, 400])
def test_a_retrain_follows_the_newest_rows(
    landing: Landing, home: Settings, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Only corrected rows are pending, no superseded one is replayed or judged, and lineage stays as it was."""
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: REPLACING)
    learned: list[Path] = []

    class Watched(Examples):
        """Takes down from which files rows are handed to training."""

        def __init__(self, chosen: Sequence[Selection], read: Read) -> None:
            learned.extend(part.partition.path for part in chosen)
            super().__init__(chosen, read)

    first = landing.land(400)
    landing.land(100)
    assert bootstrap("tiny") == "promoted"
    corrected(first, rows)
    monkeypatch.setattr("learning.finetuning.Examples", Watched)
    with open_registry(home.database_url) as registry:
        older = registry.trained_on("tiny", 1)
        assert retrain("tiny") == "needs attention"  # for the speeds, but it learned them
        assert str(registry.runs("tiny")[0].reason).startswith(("promoted", "rejected", "better so far"))
        speeds = pl.concat([pl.read_parquet(path) for path in set(learned)])
        assert speeds.filter(pl.col("speed") > 50).height == rows
        assert speeds["id"].is_unique().all()
        assert registry.trained_on("tiny", 1) == older
        [pending] = registry.learned_by("tiny", 2)
        assert (pending.kind, pending.rows) == ("corrections", rows)
        assert {score.partition for score in registry.scores("tiny")} == {pending.digest}
        [check] = registry.drift_checks("tiny")
        assert check.broken
        shown = CliRunner().invoke(app, ["registry", "lineage", "tiny", "2"]).output
        assert shown.count("corrected since") == 1
        registry.recall("tiny", pending.digest, reason="wrong", actor="a person")
        assert registry.tainted("tiny") == (2,)
