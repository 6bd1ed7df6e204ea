"""The retrain flow as its users see it: what arrives, what becomes of it, and what the registry says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from db.artifacts import ArtifactStore
from db.registry import ModelRegistry, open_registry
from errors import (
    NotEnoughData,
)
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from flows.watch import watch
from learning.data import Selection
from learning.examples import Examples, Read
from learning.spec import DriftPolicy, FineTune, Replay, Stage
from monitoring.drift import DriftVerdict
from settings import Settings, get_settings
from tiny import TINY, Landing

Begin = Callable[..., None]


def test_the_world_flips_and_the_challenger_takes_over(
    drift_elsewhere: None, landing: Landing, registry: ModelRegistry, home: Settings, begin: Begin
) -> None:
    """Version 1 learns history; the world changes; version 2 learns it, is better, and is the champion.

    A single day is judged by held-out rows, as there is nothing older to learn from, and the sentence says so.
    """
    begin(400)
    assert registry.champion("tiny").number == 1

    landing.land(400, flipped=True)
    assert retrain("tiny") == "promoted"

    champion = registry.champion("tiny")
    assert (champion.number, champion.parent, champion.refit_of) == (2, 1, None)
    assert champion.base == registry.version("tiny", 1).base
    assert champion.head != registry.version("tiny", 1).head
    assert champion.reason  # how the training went
    run = registry.runs("tiny")[0]
    assert (run.outcome, run.decision) == ("promoted", "retrain")
    assert run.reason
    assert "better so far: log_loss" in run.reason
    assert "the weaker proof" in run.reason
    assert {"take arrivals", "check drift", "fine-tune the head"} <= set(run.timings)
    assert len(registry.drift_checks("tiny")) == 1
    page = home.monitor_page("tiny").read_text()
    assert "promoted" in page
    assert "Loss per time block" in page


@pytest.mark.slow
def test_the_same_on_postgresql(
    landing: Landing, empty_postgres: str, monkeypatch: pytest.MonkeyPatch, home: Settings
) -> None:
    """One environment variable moves the registry to PostgreSQL; nothing else changes."""
    monkeypatch.setenv("EVERGREEN_DATABASE_URL", empty_postgres)
    get_settings.cache_clear()
    landing.land(400)
    assert bootstrap("tiny") == "promoted"
    landing.land(400, flipped=True)
    (landing.folder / "broken.parquet").write_bytes(b"PAR1 this is no Parquet file")
    assert retrain("tiny") == "needs attention"
    assert retrain("tiny") == "no new data"
    with open_registry(empty_postgres) as registry:
        assert registry.champion("tiny").number == 2
        assert [partition.rows for partition in registry.partitions("tiny")] == [400, 400]


@pytest.mark.slow
def test_no_version_trains_on_a_holdout_row(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch, home: Settings
) -> None:
    """Walk the lineage: of every partition that a version names, the rows that reached training are no holdout."""
    learned: list[tuple[str, set[int]]] = []

    class Watched(Examples):
        """Takes down which rows it hands to training."""

        def __init__(self, chosen: Sequence[Selection], read: Read) -> None:
            learned.extend((part.partition.digest, {int(row) for row in part.rows}) for part in chosen)
            super().__init__(chosen, read)

    monkeypatch.setattr("learning.pretraining.Examples", Watched)
    monkeypatch.setattr("learning.finetuning.Examples", Watched)
    monkeypatch.setattr(
        "tasks.run.load_spec", lambda *_: replace(TINY, finetune=replace(TINY.finetune, replay=Replay(1.0)))
    )
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    retrain("tiny")

    store = ArtifactStore(home.artifact_root, home.cache)
    for version in registry.versions("tiny"):
        for partition in registry.trained_on("tiny", version.number):
            held_out = set(pl.read_parquet(store.fetch(partition.artifact))["holdout"].arg_true().to_list())
            assert held_out
            seen = set[int]().union(*(rows for digest, rows in learned if digest == partition.digest))
            assert seen
            assert not seen & held_out


@pytest.mark.slow
def test_rows_that_arrived_late_are_kept_out_of_training_where_the_source_says_so(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with late="keep" stores old rows that come after newer ones, and no run learns from them."""
    keep = replace(TINY, source=replace(TINY.source, late="keep"))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: keep)
    landing.land(1)
    landing.files = 5
    landing.land(200)
    bootstrap("tiny")
    landing.files = 2
    landing.land(100)
    assert retrain("tiny") == "no new data"
    assert [partition.late for partition in registry.pending("tiny")] == [True]


@pytest.mark.slow
def test_labels_that_come_later_are_learned_once(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without labels wait; when their labels land they are learned, and compared for drift only once."""
    spec = replace(TINY, source=replace(TINY.source, labels="tiny-labels"))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: spec)
    landing.land(400)
    labels = landing.folder.parent / "tiny-labels"
    labels.mkdir()
    bootstrap("tiny")
    rows = pl.read_parquet(landing.land(400, flipped=True))
    rows.with_columns(late=pl.lit(None, pl.Float64)).write_parquet(landing.folder / "001.parquet")
    assert retrain("tiny") == "waiting"

    rows.select("id", "late").write_parquet(labels / "001.parquet")
    assert retrain("tiny") == "promoted"
    assert retrain("tiny") == "no new data"
    assert len(registry.drift_checks("tiny")) == 2


@pytest.mark.slow
def test_the_champion_is_scored_before_anything_trains_on_the_rows(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """What arrived is scored by the version in production at the time; the watch does it, if it comes first."""
    begin(200)
    landing.land(200, flipped=True)
    assert watch("tiny") == "due"
    scores = {score.metric: score for score in registry.scores("tiny")}
    assert scores["log_loss"].number == 1
    assert scores["log_loss"].rows == 200
    assert scores["log_loss"].value > 0.69  # it learned the opposite

    assert retrain("tiny") == "promoted"
    assert [score for score in registry.scores("tiny") if score.metric == "log_loss"] == [scores["log_loss"]]
    assert [run.decision for run in registry.runs("tiny")] == ["retrain", "watch", "bootstrap"]


@pytest.mark.slow
def test_partitions_that_arrive_together_are_scored_one_by_one(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """The track record has a figure for each arrival: what is good and what is bad is not averaged away."""
    begin(200)
    usual, flipped = landing.land(100).stem, landing.land(300, flipped=True).stem
    assert watch("tiny") == "due"
    stems = {p.digest: Path(p.source_uri).stem for p in registry.partitions("tiny")}
    losses = {stems[s.partition]: (s.rows, s.value) for s in registry.scores("tiny") if s.metric == "log_loss"}
    assert {stem: rows for stem, (rows, _) in losses.items()} == {usual: 100, flipped: 300}
    assert losses[usual][1] < 0.69 < losses[flipped][1]


@pytest.mark.slow
def test_a_rejected_challenger_is_not_tried_again_until_something_changes(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """What is no better is rejected once, and looked at again with the next arrival, or with another plan."""
    begin(400)
    landing.land(200)
    still = replace(TINY, finetune=FineTune(stages=(Stage("head", learning_rate=1e-12, epochs=1),)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.run.load_spec", lambda *_: still)
        assert retrain("tiny") == "rejected"
        assert registry.champion("tiny").number == 1
        for flow in (retrain, watch, retrain):
            assert flow("tiny") == "no new data"
            assert "which ended rejected" in (registry.runs("tiny")[0].reason or "")
    assert len(registry.versions("tiny")) == 2
    landing.land(800, flipped=True, days=8)
    assert retrain("tiny") == "promoted"
    assert len(registry.trained_on("tiny", registry.champion("tiny").number)) == 3


@pytest.mark.slow
def test_a_check_that_drift_makes_no_sense_for_stops_no_run(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """Where no column can be compared, the run goes on without a check."""
    begin(400)
    landing.land(400, flipped=True)
    blind = replace(TINY, drift=DriftPolicy(columns=(TINY.schema.target,)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.run.load_spec", lambda *_: blind)
        patch.setattr("tasks.check_drift.elsewhere", refused)
        assert watch("tiny") == "due"
    assert registry.drift_checks("tiny") == ()


def refused(*_: Any, **__: Any) -> Future[DriftVerdict]:
    """A comparison that found nothing to compare."""
    future: Future[DriftVerdict] = Future()
    future.set_exception(NotEnoughData("windows without a column to compare", "none has values", "wait"))
    return future
