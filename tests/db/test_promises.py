"""The book of promises: what the gate announced, and what came on the rows that arrived afterwards."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from filled import MODEL, START, add_partition, add_version, promote, three_champions

from db.registry import ModelRegistry
from db.verdict_records import BlockLoss, BlockLossRecord, NewEvaluation, PromiseRecord, rare_of
from errors import UnknownModel, UnknownPartition, UnknownVersion


def loss(partition: str, value: float, rows: int = 90, hour: int = 0) -> BlockLoss:
    """A mean loss on a block of an hour of the partition's day."""
    return BlockLoss(partition, START + timedelta(days=int(partition[1:]) - 1, hours=hour), rows, value)


def record(registry: ModelRegistry, number: int, *losses: BlockLoss, proving: bool = False) -> None:
    """Record losses of a version."""
    registry.record_block_losses(MODEL, number, losses, proving=proving)


def announced(registry: ModelRegistry, number: int, change: float, low: float, high: float) -> None:
    """Judge a version against the champion, announce a change, and promote it."""
    champion = registry.champion(MODEL).number
    new = NewEvaluation(
        None, MODEL, number, champion, True, "better so far", (), (), change, low, high, prove_from=START
    )
    evaluation = registry.record_evaluation(new)
    seen = registry.sequence(MODEL)
    registry.promote(
        MODEL, number, seen=seen, kind="promote", actor="gate", reason="better so far", evaluation_id=evaluation
    )


@pytest.fixture
def kept(registry: ModelRegistry) -> ModelRegistry:
    """Version 1 is replaced by 2, of which 10 % less was announced; then two partitions arrive."""
    add_partition(registry, "p1", 1)
    add_version(registry, trained=["p1"])
    promote(registry, 1)
    add_partition(registry, "p2", 2)
    record(registry, 1, loss("p2", 0.5))
    add_version(registry, parent=1, trained=["p2"])
    announced(registry, 2, -0.1, -0.2, 0.0)
    for day in (3, 4):
        add_partition(registry, f"p{day}", day)
    return registry


def test_a_promise_waits_for_rows_that_both_versions_are_scored_on(kept: ModelRegistry) -> None:
    """Before, it says what was announced and of which promotion; the first champion replaced nobody."""
    record(kept, 2, loss("p3", 0.4))
    record(kept, 1, loss("p4", 0.5))
    promotion = kept.promotions(MODEL)[-1]
    assert kept.promises(MODEL) == (
        PromiseRecord(2, 2, 1, promotion.at, None, -0.1, -0.2, 0.0, rows=0, blocks=0, came=None),
    )
    assert kept.promises(MODEL)[0].held is None


def test_what_came_is_the_change_of_the_mean_loss_over_all_rows(kept: ModelRegistry) -> None:
    """A block of 90 rows weighs nine times as much as one of 10; a block in two partitions is one block."""
    record(kept, 1, loss("p3", 0.5), loss("p4", 0.2, rows=10), loss("p4", 0.3, rows=50, hour=-24))
    record(kept, 2, loss("p3", 0.4), loss("p4", 0.4, rows=10), loss("p4", 0.3, rows=50, hour=-24))
    (promise,) = kept.promises(MODEL)
    assert promise.came == pytest.approx((0.4 * 90 + 0.4 * 10 + 0.3 * 50) / (0.5 * 90 + 0.2 * 10 + 0.3 * 50) - 1)
    assert (promise.rows, promise.blocks, promise.held) == (150, 2, True)


def test_a_promise_that_was_not_held(kept: ModelRegistry) -> None:
    """Twice the loss came where a tenth less was announced; where nothing was announced, nothing can be held."""
    record(kept, 1, loss("p3", 0.5))
    record(kept, 2, loss("p3", 1.0))
    add_version(kept, parent=2)
    promote(kept, 3)
    add_partition(kept, "p5", 5)
    record(kept, 2, loss("p5", 0.5))
    record(kept, 3, loss("p5", 0.25))
    broken, silent = kept.promises(MODEL)
    assert (broken.came, broken.held, broken.until) == (1.0, False, silent.at)
    assert (silent.announced, silent.came, silent.held, silent.predecessor) == (None, -0.5, None, 2)


def test_trials_and_rows_from_before_the_promotion_are_not_what_came(kept: ModelRegistry) -> None:
    """Version 2 learned from p2; whatever is recorded of it there is no proof of anything."""
    record(kept, 2, loss("p2", 0.1))
    record(kept, 2, loss("p3", 0.1), proving=True)
    record(kept, 1, loss("p3", 0.5))
    record(kept, 2, loss("p4", 0.1))
    record(kept, 1, loss("p4", 0.5), proving=True)
    assert kept.promises(MODEL)[0].came is None


def test_a_promotion_is_not_told_by_rows_of_an_earlier_one(kept: ModelRegistry) -> None:
    """Promoted again after a rollback, a version starts anew: what came the first time is in the first line."""
    record(kept, 1, loss("p3", 0.5))
    record(kept, 2, loss("p3", 0.4))
    kept.rollback(MODEL, actor="me", reason="not sure")
    announced(kept, 2, -0.3, -0.4, -0.25)
    add_partition(kept, "p5", 5)
    record(kept, 1, loss("p5", 0.5))
    record(kept, 2, loss("p5", 0.35))
    first, second = kept.promises(MODEL)
    assert (first.sequence, second.sequence) == (2, 4)  # the rollback between promised nothing
    assert second.came == pytest.approx(-0.3)
    assert (second.rows, second.held) == (90, True)


def test_recalled_rows_keep_no_promise(kept: ModelRegistry) -> None:
    """They leave the losses too, and the rest stays."""
    for number, value in ((1, 0.5), (2, 0.4)):
        record(kept, number, loss("p3", value), loss("p4", 9.9))
    kept.recall(MODEL, "p4", reason="wrong zone", actor="me")
    assert kept.promises(MODEL)[0].came == pytest.approx(-0.2)
    assert {found.partition for found in kept.block_losses(MODEL)} == {"p2", "p3"}


@pytest.mark.parametrize(("before", "after"), [(0.5, math.nan), (math.nan, 0.5), (0.0, 0.0), (0.5, math.inf)])
def test_a_loss_that_is_no_number_tells_nothing(kept: ModelRegistry, before: float, after: float) -> None:
    """And a change from nothing is not known, rather than an error of the database."""
    record(kept, 1, loss("p3", before))
    record(kept, 2, loss("p3", after))
    assert kept.promises(MODEL)[0].came is None


def test_a_block_without_a_loss_leaves_the_others_as_they_are(kept: ModelRegistry) -> None:
    """Where either version has none, the block counts for neither, nor do its rows."""
    record(kept, 1, loss("p3", 0.5), loss("p3", 9.0, hour=1), loss("p3", math.nan, hour=2))
    record(kept, 2, loss("p3", 0.4), loss("p3", math.nan, hour=1), loss("p3", 9.0, hour=2))
    (promise,) = kept.promises(MODEL)
    assert (promise.came, promise.rows, promise.blocks) == (pytest.approx(-0.2), 90, 1)


def test_block_losses_read_back_oldest_first(kept: ModelRegistry) -> None:
    """Of one version or of all; the first loss of a version on a block stands; a trial is marked as one."""
    record(kept, 2, loss("p4", 0.4), loss("p3", 0.3))
    record(kept, 2, loss("p4", 0.9))
    record(kept, 1, loss("p3", math.nan), proving=True)
    third = datetime(2013, 1, 3, tzinfo=UTC)
    expected = (
        BlockLossRecord("p3", third, 90, math.nan, number=1, proving=True),
        BlockLossRecord("p3", third, 90, 0.3, number=2, proving=False),
        BlockLossRecord("p4", datetime(2013, 1, 4, tzinfo=UTC), 90, 0.4, number=2, proving=False),
    )
    assert repr(kept.block_losses(MODEL)[1:]) == repr(expected)
    assert kept.block_losses(MODEL, [2]) == expected[1:]
    assert kept.block_losses(MODEL, []) == ()


def test_rare_rows_of_a_block_read_back(kept: ModelRegistry) -> None:
    """As they were written; where none were counted, there are none to read."""
    record(kept, 2, replace(loss("p3", 0.3), rare=4, expected=2.5), loss("p4", 0.4))
    assert [rare_of([one]) for one in kept.block_losses(MODEL, [2])] == [(4, 2.5), None]


def test_losses_of_what_is_not_there_are_refused(registry: ModelRegistry) -> None:
    """The error names it; nothing to record is no error."""
    three_champions(registry)
    with pytest.raises(UnknownPartition, match="p9"):
        record(registry, 3, loss("p3", 0.1), loss("p9", 0.5))
    with pytest.raises(UnknownVersion, match="version 7"):
        record(registry, 7, loss("p3", 0.5))
    record(registry, 7)
    assert registry.block_losses(MODEL) == ()
    with pytest.raises(UnknownModel):
        registry.promises("trains")


def test_the_view_and_the_method_say_the_same(kept: ModelRegistry) -> None:
    """What a BI tool shows is what `evergreen registry promises` shows."""
    record(kept, 1, loss("p3", 0.5))
    record(kept, 2, loss("p3", 0.4))
    with kept.engine.connect() as connection:
        columns = "sequence, version, predecessor, announced, low, high, came, held, rows, blocks"
        (row,) = connection.exec_driver_sql(f"SELECT {columns} FROM promise").all()
    (promise,) = kept.promises(MODEL)
    assert tuple(row) == (2, 2, 1, -0.1, -0.2, 0.0, promise.came, True, 90, 1)
