"""What versions lost on events that are no partition: for the book of promises, and for the watch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from filled import MODEL, START, add_version, promote, stored
from sqlalchemy.exc import IntegrityError

from db.online_records import NewCheckpoint, OnlineLoss
from db.registry import ModelRegistry
from db.verdict_records import NewEvaluation, rare_of
from evaluation.watch import paired_blocks


def losses(hour: int, *values: float, rows: int = 10, weight: float | None = None) -> tuple[OnlineLoss, ...]:
    """Mean losses of versions 1, 2 and so on, on the events of one hour."""
    block = START + timedelta(hours=hour)
    return tuple(OnlineLoss(number, block, rows, weight or rows, value) for number, value in enumerate(values, 1))


def save(registry: ModelRegistry, number: int, *lost: OnlineLoss) -> None:
    """Add a checkpoint of the run that learns."""
    run, figures = registry.runs(MODEL)[0].id, {"rows": number, "loss": 0.5, "window_loss": 0.5}
    place = (MODEL, "events.jsonl", number, run, 1, number, f"{number}", {}, {})
    registry.add_checkpoint(NewCheckpoint(*place, **figures, stored=stored("online", "a"), losses=lost))  # type: ignore[arg-type]


@pytest.fixture
def learning(registry: ModelRegistry) -> ModelRegistry:
    """Version 1 learns events in run 1; then it is replaced by 2, of which 10 % less was announced."""
    add_version(registry)
    promote(registry, 1)
    registry.claim_events(MODEL, registry.start_run(MODEL, trigger="by hand").id)
    add_version(registry, parent=1, metrics={"loss": 1.0})
    save(registry, 1, *losses(0, 9.0, 1.0))  # before it was promoted
    verdict = NewEvaluation(None, MODEL, 2, 1, True, "better", (), (), -0.1, -0.25, 0.0)
    evaluation = registry.record_evaluation(verdict)
    registry.promote(MODEL, 2, seen=1, kind="promote", actor="gate", reason="better", evaluation_id=evaluation)
    return registry


def test_what_came_of_a_promotion_is_known_from_events(learning: ModelRegistry) -> None:
    """By rows, over the checkpoints since; an hour in two checkpoints is one block."""
    assert learning.promises(MODEL)[0].came is None
    save(learning, 2, *losses(1, 0.5, 0.4))
    save(learning, 3, *losses(1, 0.5, 0.4, rows=30), *losses(2, 0.5, 0.5))
    (promise,) = learning.promises(MODEL)
    assert promise.came == pytest.approx((0.4 * 40 + 0.5 * 10) / (0.5 * 50) - 1)
    assert (promise.rows, promise.blocks, promise.held) == (50, 2, True)


def test_the_newest_hour_is_not_over(learning: ModelRegistry) -> None:
    """The watch looks once at each block: at one that still fills it would look at every checkpoint."""
    save(learning, 2, *losses(1, 0.5, 0.4))
    save(learning, 3, *losses(1, 0.7, 0.4, rows=30), *losses(2, 0.5, 0.5))
    found = [one for one in learning.online_losses(MODEL, (1, 2)) if one.block > START]
    assert [(one.number, one.rows, one.loss) for one in found] == [(1, 40, pytest.approx(0.65)), (2, 40, 0.4)]


def test_rare_events_of_an_hour_add_up(learning: ModelRegistry) -> None:
    """Over its checkpoints, if all of them know; of numbers, and of what was written down before, none are known."""
    for number, (hour, rare) in enumerate(((1, 3), (1, 4), (2, None), (2, 5), (3, None)), 2):
        known = {"rare": rare, "expected": rare and rare / 2}
        save(learning, number, *(replace(one, **known) for one in losses(hour, 0.5, 0.4)))
    save(learning, 7, *losses(4, 0.5, 0.4))
    found = [one for one in learning.online_losses(MODEL, (1,)) if one.block > START]
    assert [rare_of([one]) for one in found] == [(7, 3.5), None, None]
    assert {type(one.rows) for one in found} == {int}
    champion, predecessor = (learning.online_losses(MODEL, [number]) for number in (1, 2))
    known = [one.mine for one in paired_blocks(champion, predecessor)]  # the watch takes them as they are
    assert known[1:] == [0.5] * 3


def test_parts_of_an_hour_are_merged_by_the_weight_of_their_rows(learning: ModelRegistry) -> None:
    """As the losses are means by it: where checkpoints fell changes nothing. Rows stay their number."""
    save(learning, 2, *losses(1, 1.0, 2.0, weight=30.0))
    save(learning, 3, *losses(1, 5.0, 4.0, rows=30, weight=10.0), *losses(2, 2.0, 2.5, weight=50.0))
    found = [one for one in learning.online_losses(MODEL, (1, 2)) if one.block > START]
    assert [(one.number, one.rows, one.loss) for one in found] == [(1, 40, 2.0), (2, 40, 2.5)]
    (promise,) = learning.promises(MODEL)
    assert promise.came == pytest.approx((2.5 * 40 + 2.5 * 10) / (2.0 * 40 + 2.0 * 10) - 1)
    assert (promise.rows, promise.blocks) == (50, 2)


def test_a_loss_that_is_unknown_is_not_stored(learning: ModelRegistry) -> None:
    """Its rows would count, and its loss would not: the version would look better than it is."""
    with pytest.raises(IntegrityError):
        save(learning, 2, *losses(1, 0.5, float("nan")))
