"""Rows that choose the best epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from errors import NotEnoughData
from learning.data import PartitionFile, Selection, blocks_of, read_inputs, row_count, select
from learning.held_back import hold_back
from learning.plans import FineTune, Pretrain
from learning.spec import ModelSpec, Schema

Partition = Callable[..., PartitionFile]


@pytest.fixture
def schema(spec: ModelSpec) -> Schema:
    """The small model's schema with a block a minute, so that each row is one."""
    return replace(spec.schema, block="1m")


def moments(chosen: Sequence[Selection]) -> list[int]:
    """The minutes at which the rows lie."""
    blocks = blocks_of(chosen)
    assert blocks is not None
    return [int(minute) for minute in (blocks - np.datetime64("2024-01-01")) // np.timedelta64(1, "m")]


def test_the_newest_blocks_choose_the_epoch(schema: Schema, partition: Partition) -> None:
    """About as many rows as the plan says, later than all that are learned from, across partitions too."""
    chosen = select(schema, [partition("one", 20), partition("two", 20, seed=1)], "all")
    learning, validating = hold_back(schema, chosen, FineTune(validation=0.2), seed=0)
    assert sorted(moments(validating)) == [16, 16, 17, 17, 18, 18, 19, 19]
    assert row_count(learning) == 32
    assert max(moments(learning)) == 15


def test_a_block_is_held_back_as_a_whole_but_not_all_of_it_chooses(schema: Schema, partition: Partition) -> None:
    """Its other rows would be of the same weather; those that choose are spread evenly."""
    days = replace(schema, block="2m")
    chosen = select(days, [partition("one", 40)], "all")
    learning, validating = hold_back(days, chosen, FineTune(validation=0.2, validation_rows=3), seed=0)
    assert row_count(learning) == 36
    assert validating[0].rows.tolist() == [36, 37, 38]


def test_old_rows_are_learned_and_do_not_choose(schema: Schema, partition: Partition) -> None:
    """What has passed does not say when to stop."""
    new, old = (select(schema, [partition(name, 20)], "all") for name in ("new", "old"))
    learning, validating = hold_back(schema, new, FineTune(validation=0.1), seed=0, replayed=old)
    assert {part.partition.digest: len(part.rows) for part in learning} == {"new": 18, "old": 20}
    assert {part.partition.digest: len(part.rows) for part in validating if len(part.rows)} == {"new": 2}


@pytest.mark.parametrize(
    ("block", "rows"),
    [("", 20), ("1d", 20)],
    ids=["none", "one"],
)
def test_with_few_blocks_a_random_share_of_all_rows_chooses(
    schema: Schema, partition: Partition, block: str, rows: int
) -> None:
    """Where no block is older, or too few rows would be left, new and old rows are held back alike."""
    coarse = replace(schema, block=block)
    new, old = (select(coarse, [partition(name, rows)], "all") for name in ("new", "old"))
    learning, validating = hold_back(coarse, new, FineTune(validation=0.5), seed=0, replayed=old)
    assert [part.partition.digest for part in validating if len(part.rows)] == ["new", "old"]
    assert row_count(validating) == row_count(learning) == rows


def test_most_of_the_new_rows_are_learned(schema: Schema, partition: Partition) -> None:
    """One day of many rows after two of a late row each is not held back: nothing would be left to learn from."""
    coarse = replace(schema, block="10m")
    (whole,) = select(coarse, [partition("new", 30)], "all")
    learning, validating = hold_back(coarse, [whole.take(np.array([0, 10, *range(20, 30)]))], FineTune(), seed=0)
    assert (row_count(learning), row_count(validating)) == (11, 1)


def test_rows_held_back_are_a_share_of_all_and_no_row_is_in_both(
    spec: ModelSpec, history: tuple[PartitionFile, ...]
) -> None:
    """The best epoch is chosen by rows that are not trained on."""
    chosen = select(spec.schema, history, "train")
    learning, validating = hold_back(spec.schema, chosen, Pretrain(validation=0.25), seed=0)
    for selection, one, two in zip(chosen, learning, validating, strict=True):
        assert sorted([*one.rows, *two.rows]) == list(selection.rows)
    assert sum(len(part.rows) for part in validating) == 3


def test_a_large_batch_holds_back_no_more_rows_than_the_plan_wants(
    spec: ModelSpec, history: tuple[PartitionFile, ...]
) -> None:
    """A share of many rows would cost every epoch, and choose no better."""
    chosen = select(spec.schema, history, "train")
    for plan in (Pretrain(validation=0.5, validation_rows=2), FineTune(validation=0.5, validation_rows=2)):
        _, validating = hold_back(spec.schema, chosen, plan, seed=0)
        assert sum(len(part.rows) for part in validating) == 2


def test_rows_of_one_entity_are_held_back_together(spec: ModelSpec, history: tuple[PartitionFile, ...]) -> None:
    """Whoever is known from training does not help to choose the best epoch; here c, in all partitions, is who."""
    schema = replace(spec.schema, entity=("c",))
    chosen = select(schema, history, "all")
    learning, validating = (
        {one for part in parts for one in read_inputs(schema, part.partition, part.rows)["c"].ravel()}
        for parts in hold_back(schema, chosen, Pretrain(validation=0.5), seed=1)
    )
    assert learning | validating == {"x", "y", "z"}
    assert not learning & validating


def test_without_new_rows_there_is_nothing_to_learn(schema: Schema, partition: Partition) -> None:
    """Old rows alone make no challenger."""
    old = select(schema, [partition("old")], "all")
    with pytest.raises(NotEnoughData, match="0 labelled"):
        hold_back(schema, [], FineTune(), seed=0, replayed=old)


@pytest.mark.parametrize(
    ("rows", "classes", "share"),
    [
        ((3_000, 3_000), 2, 0.1),
        ((900, 130), 2, 0.308),
        ((900, 115), 2, 0.1),
        ((2_000, 160, 160), 3, 0.25),
        ((300, 290, 25), 3, 0.127),
        ((300, 290), 3, 0.138),
        ((900, 55, 55), 3, 0.1),
    ],
)
def test_chances_are_put_right_by_30_rows_of_each_class_or_no_more_rows_are_held_back(
    schema: Schema, rows: tuple[int, ...], classes: int, share: float
) -> None:
    """Of several classes the scale takes as many that are not of the largest; a class may also be missing."""
    target = np.random.default_rng(0).permutation(np.repeat(np.arange(float(len(rows))), rows))
    chosen = [Selection(PartitionFile("p", Path()), np.arange(len(target)), target)]
    _, held = hold_back(schema, chosen, Pretrain(), seed=0, calibrated=classes)
    assert row_count(held) / len(target) == pytest.approx(share, abs=0.002)
    if share > 0.2:
        assert np.bincount(held[0].target.astype("int64")).min() >= 30
