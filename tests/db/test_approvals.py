"""A version that passed the gate waits for a person: whichever answer comes first stands, whoever gives it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from filled import MODEL, add_partition, add_version, promote, three_champions

from db.approvals import Answer, NewApproval, State
from db.registry import ModelRegistry
from db.verdict_records import NewEvaluation
from errors import NothingToApprove, PromotionConflict, TaintedVersion


def asked(registry: ModelRegistry, until: datetime | None = None) -> int:
    """Three champions, and a fourth version that passed the gate and waits; returns its number."""
    three_champions(registry)
    add_partition(registry, "p4", day=4)
    number = add_version(registry, parent=3, trained=["p4"]).number
    verdict = registry.record_evaluation(NewEvaluation(None, MODEL, number, 3, True, "better so far", ()))
    registry.ask_for_approval(MODEL, NewApproval(number, verdict, 3, until))
    return number


def state(registry: ModelRegistry) -> State:
    """What has become of the one version that waited."""
    (one,) = registry.approvals(MODEL)
    return one.state(datetime.now(UTC))


def test_who_approves_promotes_and_is_remembered(registry: ModelRegistry) -> None:
    """With the reason, the gate's sentence and its evaluation: the watch may still take it back."""
    number = asked(registry)
    assert (state(registry), registry.champion(MODEL).number) == ("awaits approval", 3)
    registry.answer_approval(MODEL, Answer(number, True, "Ada", "looks right"))
    newest = registry.promotions(MODEL)[-1]
    assert (newest.number, newest.actor, newest.kind) == (number, "Ada", "promote")
    assert newest.reason == "approved: looks right; the gate: better so far"
    assert newest.evaluation_id
    assert state(registry) == "approved"


def test_only_the_first_answer_counts(registry: ModelRegistry) -> None:
    """The second one is told who was there before, and why."""
    number = asked(registry)
    registry.answer_approval(MODEL, Answer(number, False, "Ada", "not before the holidays"))
    with pytest.raises(NothingToApprove, match="Ada has turned it down: not before the holidays"):
        registry.answer_approval(MODEL, Answer(number, True, "Bob", "why not"))
    assert (state(registry), registry.champion(MODEL).number) == ("not approved", 3)


def test_whose_time_is_over_is_not_approved(registry: ModelRegistry) -> None:
    """The champion stays, though no process was there to note it."""
    number = asked(registry, until=datetime.now(UTC) - timedelta(seconds=1))
    assert state(registry) == "not approved"
    with pytest.raises(NothingToApprove, match=r"its time was over on .* the champion has stayed"):
        registry.answer_approval(MODEL, Answer(number, True, "Ada", "at last"))
    assert registry.champion(MODEL).number == 3


def test_who_was_overtaken_has_to_be_judged_again(registry: ModelRegistry) -> None:
    """It was judged against a champion that is none any more; no answer is noted, and it may still be turned down."""
    number = asked(registry)
    promote(registry, 2)
    assert state(registry) == "overtaken"
    with pytest.raises(
        PromotionConflict, match=f"judged again, against the present champion: `evergreen retrain {MODEL}`"
    ):
        registry.answer_approval(MODEL, Answer(number, True, "Ada", "looks right"))
    assert registry.champion(MODEL).number == 2
    registry.answer_approval(MODEL, Answer(number, False, "Ada", "too late"))
    assert state(registry) == "not approved"


def test_what_was_recalled_meanwhile_is_not_promoted(registry: ModelRegistry) -> None:
    """And the answer is not noted either: both are one transaction."""
    number = asked(registry)
    registry.recall(MODEL, "p4", reason="a broken sensor", actor="me")
    with pytest.raises(TaintedVersion):
        registry.answer_approval(MODEL, Answer(number, True, "Ada", "looks right"))
    assert state(registry) == "tainted"


def test_a_retired_models_version_is_not_promoted(registry: ModelRegistry) -> None:
    """Nothing keeps it fresh; it may be turned down, and approved once the model was taken up again."""
    number = asked(registry)
    registry.retire(MODEL, reason="nobody flies", actor="me")
    with pytest.raises(NothingToApprove, match="it is retired: nobody flies"):
        registry.answer_approval(MODEL, Answer(number, True, "Ada", "looks right"))
    registry.resume(MODEL, reason="they do", actor="me")
    assert registry.answer_approval(MODEL, Answer(number, True, "Ada", "looks right"))


@pytest.mark.parametrize(("actor", "reason"), [(" ", "looks right"), ("Ada", "")])
def test_an_answer_of_nobody_or_without_a_reason_is_refused(actor: str, reason: str) -> None:
    """The form of the UI can be left empty, and the record is kept for ever."""
    with pytest.raises(NothingToApprove, match="an answer without a"):
        Answer(4, approved=True, actor=actor, reason=reason)


def test_a_version_that_does_not_wait_is_refused_with_those_that_do(registry: ModelRegistry) -> None:
    """The commands name versions by number, and numbers are easily mistaken."""
    number = asked(registry)
    with pytest.raises(NothingToApprove, match=f"of this model, version {number} does"):
        registry.answer_approval(MODEL, Answer(2, True, "Ada", "looks right"))
