"""A retrain whose rows span several days: proven on the newest, refit on all, watched, and never stuck in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from db.registry import ModelRegistry
from errors import StepFailed
from flows.retrain import retrain
from learning.checkpoint import TrainingState, save_checkpoint
from learning.spec import FromScratch, Replay
from monitoring.decision import Pending
from settings import Settings
from tasks.finetune import finetune_champion
from tasks.register_version import Learned
from tasks.run import Context
from tiny import TINY, Landing

pytestmark = pytest.mark.slow

Begin = Callable[..., None]

DAYS, DAY = 8, timedelta(days=1)


@pytest.fixture
def started(landing: Landing, registry: ModelRegistry, begin: Begin) -> ModelRegistry:
    """Version 1 has learned four days; then the world flipped, for four days."""
    begin(400, DAYS)
    landing.land(400, flipped=True, days=DAYS)
    return registry


@pytest.fixture
def retrained(registry: ModelRegistry, begin: Begin) -> ModelRegistry:
    """And then a retrain promoted what it learned."""
    begin(400, DAYS, flipped=True)
    return registry


def test_what_is_proven_on_the_newest_days_is_refit_on_all_and_promoted(retrained: ModelRegistry) -> None:
    """The registry has both: the version that was on trial, and the one in production, which learned every row."""
    proof, champion = retrained.version("tiny", 2), retrained.champion("tiny")
    assert (champion.number, champion.parent, champion.refit_of) == (3, 1, 2)
    assert champion.head != proof.head
    (verdict,) = retrained.evaluations("tiny", 2)
    assert verdict.passed
    assert verdict.prove_from == retrained.partitions("tiny")[1].time_from + (DAYS - 2) * DAY
    assert verdict.metrics[0].dataset == "proving window"
    assert verdict.metrics[0].rows == 100  # every row of the last day, held out or not
    assert verdict.reason.startswith("better so far: log_loss")
    assert verdict.announced is not None
    assert {rule.rule for rule in verdict.rules} == {"better", "proven", "not worse"}
    assert retrained.pending("tiny") == ()
    assert [p.rows for p in retrained.pending("tiny", 2)] == [400]


def test_of_rows_that_no_longer_follow_the_old_rule_the_newest_days_decide(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """Three days flipped and the fourth flipped back: what was learned of the three is no good on the fourth."""
    begin(400, DAYS)
    landing.land(300, flipped=True, days=3)
    landing.land(100)
    assert retrain("tiny") == "rejected"
    assert registry.champion("tiny").number == 1
    assert [version.number for version in registry.versions("tiny")] == [2, 1]  # nothing was refit
    assert str(registry.runs("tiny")[0].reason).startswith(("shown worse", "not shown better", "nothing was learned"))


def test_a_killed_refit_goes_on_and_gives_the_same_version(
    started: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kills a run while it refits finds the very same files in the next one.

    What was found out for the proof holds for the refit: rows from before the flip say the opposite, and are left.
    """
    replaying = replace(TINY, finetune=replace(TINY.finetune, replay=Replay(1.0)))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: replaying)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.promote.register_version", lambda *_: 1 // 0)
        with pytest.raises(StepFailed):
            retrain("tiny")
    assert started.champion("tiny").number == 1
    assert retrain("tiny") == "promoted"
    champion = started.champion("tiny")
    assert champion.refit_of is not None
    assert started.pending("tiny") == ()
    for version in (champion, started.version("tiny", champion.refit_of)):
        turn = version.plan["replay_since"]
        assert version.plan["past"] == {"turned": turn.replace(" ", "T"), "kept": False, "shown": True, "rows": 400}


def test_folds_from_scratch_have_bases_of_their_own(
    started: ModelRegistry, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are judged, and of bases that nobody asks again no feature is kept."""
    rare = replace(TINY, finetune=FromScratch(), gate=replace(TINY.gate, min_events=100))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: rare)
    retrain("tiny")
    (verdict,) = started.evaluations("tiny", 2)
    assert (verdict.metrics[0].dataset, verdict.metrics[0].rows) == ("proving window", 400)
    assert "in 4 folds, each by a challenger that learned from the others" in verdict.reason
    done = [json.loads(path.read_text())["files"] for path in home.work.glob("tiny/*fold*/trained.json")]
    assert len({files["base_digest"] for files in done}) == 8
    assert 1 <= len({path.parent for path in home.cache.rglob("*.npy")}) <= 2  # of the champion, and of version 2


def test_where_events_are_few_all_rows_judge_in_folds_also_in_a_run_that_was_cut_short(
    started: ModelRegistry, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest rows hold 45 events or so, and the gate asks for 100: all of them hold twice as many.

    Who is promoted learned all rows, and who judged each fold did not learn it: its weights are others. A run that was
    cut short in its second fold learns nothing again, and what lay half done becomes what it is in a dry run.
    """
    rare = replace(TINY, gate=replace(TINY.gate, min_events=100))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: rare)
    work = home.work / "tiny"

    def heads() -> dict[str, str]:
        done = {path.parent.name.partition("-")[2]: path for path in work.glob("*/trained.json")}
        return {name: json.loads(path.read_text())["files"]["head_digest"] for name, path in done.items()}

    def saved(path: Path, state: TrainingState, *arrays: Any) -> None:
        save_checkpoint(path, state, *arrays)
        if path.parent.name.endswith("fold-2") and state.epoch == 2:
            raise KeyboardInterrupt

    shutil.rmtree(work)
    assert retrain("tiny", dry_run=True) == "dry run"
    whole = heads()
    assert len(set(whole.values())) == len(whole) == 9
    shutil.rmtree(work)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("learning.loop.save_checkpoint", saved)
        with pytest.raises(KeyboardInterrupt):
            retrain("tiny")
    assert set(heads()) == {"fold-1", "fold-1-refit"}
    (first,) = work.glob("*-fold-1/trained.json")
    before = first.stat().st_mtime_ns
    assert retrain("tiny") == "promoted"
    assert heads() == whole
    assert first.stat().st_mtime_ns == before

    champion = started.champion("tiny")
    assert (champion.number, champion.parent, champion.refit_of) == (2, 1, None)
    assert len(champion.plan["folds"]) == 4
    assert started.pending("tiny") == ()
    (verdict,) = started.evaluations("tiny", 2)
    assert verdict.prove_from == started.partitions("tiny")[1].time_from
    assert (verdict.metrics[0].dataset, verdict.metrics[0].rows) == ("proving window", 400)
    assert "in 4 folds, each by a challenger that learned from the others" in verdict.reason
    losses = [loss for loss in started.block_losses("tiny", [2]) if loss.proving]
    assert sum(loss.rows for loss in losses) == 400


def test_a_challenger_that_learned_the_proving_window_proves_nothing_by_it(started: ModelRegistry) -> None:
    """Lineage is asked, not trusted: whoever trained on the rows that are to prove it is refused."""

    def cheats(context: Context, run_id: int, pending: Pending, *_: object) -> Learned:
        learned = finetune_champion(context, run_id, replace(pending, prove_from=None))
        return replace(learned, partitions=pending.partitions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.finetune.finetune_champion", cheats)
        assert retrain("tiny") == "rejected"
    assert "proving window" in str(started.runs("tiny")[0].reason)
    assert started.champion("tiny").number == 1


def test_a_promotion_that_turns_out_worse_is_taken_back(retrained: ModelRegistry, landing: Landing) -> None:
    """The world flips back: on what arrives next the predecessor was better, and returns with a sentence."""
    for _ in range(2):
        landing.land(200, days=2)
    assert retrain("tiny") == "needs attention"
    newest = retrained.promotions("tiny")[1:]
    assert [(p.kind, p.actor, p.number) for p in newest][:2] == [("promote", "gate", 3), ("rollback", "watch", 1)]
    assert "shown worse than version 1" in newest[1].reason
    assert "rolled back to version 1" in str(retrained.runs("tiny")[0].reason)
    assert {p.digest for p in retrained.trained_on("tiny", 1)} < {p.digest for p in retrained.partitions("tiny")}


def test_what_the_gate_announced_is_compared_with_what_came(retrained: ModelRegistry, landing: Landing) -> None:
    """Whether promises are kept is a fact of the registry, for every promotion."""
    landing.land(400, flipped=True, days=DAYS)
    retrain("tiny")
    (promise, *_) = retrained.promises("tiny")
    assert (promise.number, promise.predecessor) == (3, 1)
    assert promise.announced is not None
    assert (promise.rows, promise.blocks) == (400, DAYS)
    assert promise.came is not None
    assert promise.came < 0
    losses = [loss for loss in retrained.block_losses("tiny", [2]) if loss.proving]
    assert [loss.rows for loss in losses] == [50, 50]


def test_nobody_stays_stuck_in_silence(
    started: ModelRegistry, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two challengers in a row, better on what is new and refused for the past: the run says so, and the ways out.

    Two instead of three: how they are counted is tested in tests/evaluation/test_past_verdicts.py.
    """
    strict = replace(
        TINY, gate=replace(TINY.gate, max_forgetting=0.0), retrain=replace(TINY.retrain, escalate=("from scratch",))
    )
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: strict)
    monkeypatch.setattr("tasks.paired_rows.world_turned", lambda *_: None)
    for module in ("tasks.promote", "tasks.finetune"):
        monkeypatch.setattr(f"{module}.STUCK_AFTER", 2)
    outcomes = []
    for _ in range(2):
        outcomes.append(retrain("tiny"))
        landing.land(100, flipped=True)
    assert outcomes == ["rejected", "stuck"]
    run = started.runs("tiny")[0]
    assert "2 challengers in a row were better on what is new" in str(run.reason)
    assert "evergreen registry promote tiny" in str(run.reason)
    assert retrain("tiny") in {"stuck", "promoted"}
    newest = started.versions("tiny")[0].number
    assert started.version("tiny", newest).plan["kind"] == "Pretrain"
