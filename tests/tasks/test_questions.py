"""Work whose question waits, or was overtaken: it is judged anew where nobody can approve of it, and else is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filled import MODEL, add_version, promote
from served import Place

from db.approvals import Answer, NewApproval
from db.records import AWAITING, RunEnding
from db.registry import ModelRegistry, open_registry
from db.verdict_records import NewEvaluation
from learning.spec import Gate, RetrainPolicy
from monitoring.decision import Pending
from settings import Settings
from tasks.decide_retrain import decision
from tasks.evaluate import PromotionDecision
from tasks.find_pending import asked_work, pending_work
from tasks.promote import promote as promote_or_ask
from tasks.run import Context


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    """An empty one."""
    return open_registry(home.database_url)


@pytest.fixture
def context(tmp_path: Path, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Two champions, rows that neither learned, and a third version that passed on them and waits for a person."""
    place = Place(tmp_path, registry, monkeypatch)
    policy = RetrainPolicy(when=("rows",), min_rows=10)
    place.spec = replace(place.spec, retrain=policy, gate=Gate(min_rows=2, min_events=1, approval="manual"))
    place.promote(1)
    place.promote(2)
    arrived = place.arrive(0, [1.0, 0.0] * 20, days=2)
    found: Any = place.context
    found.newest, found.past = SimpleNamespace(counted=tuple), None
    pending = pending_work(found)
    assert not pending.settled
    add_version(registry, parent=2, trained=[arrived.digest])
    verdict = registry.record_evaluation(NewEvaluation(place.run, MODEL, 3, 2, True, "better so far", ()))
    registry.ask_for_approval(MODEL, NewApproval(3, verdict, 2, work_key=pending.work_key))
    return found  # type: ignore[no-any-return]


def end(registry: ModelRegistry, outcome: str, key: str | None) -> None:
    """End the run that asked."""
    (run,) = registry.runs(MODEL)
    registry.finish_run(run.id, RunEnding(outcome, "none" if key is None else "retrain", "because"), work_key=key)


def test_what_was_overtaken_is_judged_anew_though_the_same_champion_came_back(
    context: Context, registry: ModelRegistry
) -> None:
    """Nobody can approve of it any more, so it is no refusal either: its rows are enough for the policy again."""
    end(registry, AWAITING, pending_work(context).work_key)
    assert pending_work(context).nothing_to_do.outcome == "no new data"
    promote(registry, 1)
    promote(registry, 2)
    pending = pending_work(context)
    assert (pending.champion, pending.settled) == (2, "")
    assert decision(context, pending, None, None).decision == "retrain"


def test_a_run_that_was_cut_short_after_it_asked_has_asked(context: Context, registry: ModelRegistry) -> None:
    """No equal version waits beside the one that does, and the next run says what the killed one could not."""
    end(registry, "failed", None)
    found = pending_work(context)
    assert (found.nothing_to_do.outcome, found.nothing_to_do.decision) == (AWAITING, "retrain")
    assert "version 3 awaits approval" in found.settled
    registry.answer_approval(MODEL, Answer(3, False, "Ada", "not now"))
    assert pending_work(context).nothing_to_do == RunEnding(
        "no new data", "skip", "no new data since version 3, of a run that was cut short, was not approved"
    )


def test_what_it_asked_is_judged_anew_once_it_was_overtaken(context: Context, registry: ModelRegistry) -> None:
    """Also where the run that found the question has ended as one that asked."""
    end(registry, "failed", None)
    again = registry.start_run(MODEL, trigger="test").id
    found: Pending = pending_work(context)
    registry.finish_run(again, found.nothing_to_do, work_key=found.work_key)
    assert "which ended awaiting approval" in pending_work(context).settled
    promote(registry, 1)
    promote(registry, 2)
    assert not pending_work(context).settled


def test_so_has_one_that_a_person_asked_for(context: Context, registry: ModelRegistry) -> None:
    """As a retrain from scratch, whose work is all rows."""
    key, (run,) = asked_work(context, "from scratch").work_key, registry.runs(MODEL)
    add_version(registry, parent=2, metrics={"n": 9.0})
    verdict = registry.record_evaluation(NewEvaluation(run.id, MODEL, 4, 2, True, "better so far", ()))
    registry.ask_for_approval(MODEL, NewApproval(4, verdict, 2, work_key=key))
    end(registry, "failed", None)
    assert "version 4 awaits approval" in asked_work(context, "from scratch").settled
    assert asked_work(context, "from scratch").nothing_to_do.outcome == AWAITING


def test_whoever_bootstraps_has_decided_also_after_a_recall(context: Context, registry: ModelRegistry) -> None:
    """With nothing in production that may stay, a person has asked for this version; a challenger waits as ever."""
    add_version(registry, metrics={"n": 9.0})
    verdict = registry.record_evaluation(NewEvaluation(None, MODEL, 4, None, True, "better than a constant", ()))
    first = PromotionDecision(4, None, 2, verdict, True, True, False, "better than a constant")
    ending = promote_or_ask(context, replace(first, champion=2, work_key="key"), 4)
    assert ending is not None
    assert ending.outcome == AWAITING
    ending = promote_or_ask(context, first, 4)
    assert ending is not None
    assert (ending.outcome, registry.champion(MODEL).number) == ("promoted", 4)
