"""Rows that count more, classes that count more, and chances that stay those of the world as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest
import tensorflow as tf
from one_layer import ROWS, TARGET, examples, learner

from errors import InvalidSpec, NotEnoughData
from learning.data import PartitionFile, Selection, select
from learning.examples import Examples
from learning.files import Trained
from learning.finetuning import finetune
from learning.first_answers import first_answers
from learning.held_back import all_of
from learning.loop import TrainingContext, train
from learning.losses import Measure, mean_loss, own, plain, shifted
from learning.objectives import Binary, Multiclass, Regression
from learning.plans import FineTune, Pretrain, Replay, Stage
from learning.pretraining import pretrain
from learning.replay import draw, usual_shares
from learning.spec import ModelSpec
from learning.weights import class_weights, counted, drawn_more, shares, shift_of

Partition = Callable[..., PartitionFile]
P = PartitionFile("p", Path())


def chosen(target: Any, weight: Any = None) -> Selection:
    """Rows with these targets."""
    given = np.asarray(target, "float64")
    return Selection(P, np.arange(len(given)), given, None, None if weight is None else np.asarray(weight, "float64"))


@pytest.mark.parametrize("wanted", ["balanced", {0: 0.2, 1: 5.0}])
def test_chances_stay_true_whatever_a_class_counts(wanted: Any) -> None:
    """The best constant under any weights is the share of the class as it is; without the shift it is not."""
    target = np.repeat([0.0, 1.0], [950, 50])
    learning, shift = counted(Binary(), Stage(class_weight=wanted), [chosen(target)])
    labels = tf.constant(np.column_stack([target, learning[0].weight]), "float32")
    candidates = np.linspace(0.01, 0.2, 20)

    def best(measure: Measure) -> float:
        loss = mean_loss(Binary(), measure)
        return float(candidates[np.argmin([loss(labels, tf.fill((1000, 1), np.float32(one))) for one in candidates])])

    assert best(Measure(shift=shift)) == pytest.approx(0.05, abs=0.006)
    assert best(Measure()) > 0.1


def test_chances_of_many_classes_stay_true() -> None:
    """The gradient is zero at the shares as they are."""
    share = np.array([0.9, 0.08, 0.02])
    target = np.repeat([0.0, 1.0, 2.0], (share * 100).astype(int))
    learning, shift = counted(Multiclass(3), Pretrain(class_weight="balanced"), [chosen(target)])
    labels = tf.constant(np.column_stack([target, learning[0].weight]), "float32")
    logits = tf.Variable(np.log(share)[None], dtype="float32")
    with tf.GradientTape() as tape:
        loss = mean_loss(Multiclass(3), Measure(shift=shift))(labels, tf.repeat(tf.nn.softmax(logits), 100, axis=0))
    assert np.abs(tape.gradient(loss, logits)).max() < 1e-4


@pytest.mark.parametrize("objective", [Binary(), Binary(loss="binary_focal_crossentropy"), Multiclass(2)])
def test_a_shift_of_nothing_changes_no_bit(objective: Any) -> None:
    """Rows that all count the same, and no class more: the very graph of before."""
    assert counted(objective, Stage(), [chosen([0, 1])])[1] == ()
    assert counted(objective, Stage(class_weight={1: 1.0}), [chosen([0, 1])])[1] == ()
    chances = tf.constant([[0.2, 0.8]] if isinstance(objective, Multiclass) else [[0.8]])
    assert Measure().compared(chances, chances)[1] is chances


def test_focal_loss_is_a_word() -> None:
    """It trains by what Keras calls so, and is judged by log loss."""
    focal, labels, said = (
        Binary(loss="binary_focal_crossentropy"),
        tf.constant([[1.0], [0.0]]),
        tf.constant([[0.6], [0.1]]),
    )
    wanted = keras.losses.binary_focal_crossentropy(labels, said).numpy().mean()
    assert float(mean_loss(focal)(labels, said)) == pytest.approx(wanted)
    assert focal.loss_name == Binary().loss_name


def test_two_ways_to_write_two_classes_shift_alike() -> None:
    """One chance, or both."""
    one = shifted(tf.constant([[0.3]]), (0.0, 2.0)).numpy()
    both = shifted(tf.constant([[0.7, 0.3]]), (0.0, 2.0)).numpy()
    assert both[:, 1:] == pytest.approx(one)
    assert np.log(one / (1 - one)) == pytest.approx(np.log(3 / 7) + 2)


def test_old_rows_that_come_by_class_shift_no_chance() -> None:
    """1,000 new rows with 2 % and 1,000 old ones, a third of them of the rare class, teach 2 %."""
    old, new = ([chosen(np.arange(rows) % 50 == 0)] for rows in (50_000, 1_000))
    how = Replay(share=1.0, balance="classes")
    replayed = draw(how, old, 1_000, seed=0)
    assert shares(replayed, 2)[1] > 0.3
    more = drawn_more(new, replayed, usual_shares(how, old, 1_000, 2))
    _, shift = counted(Binary(), Stage(), [*new, *replayed], more)
    together = shares([*new, *replayed], 2)[1]
    back = shifted(tf.constant([[0.02]]), shift).numpy()
    assert back[0, 0] == pytest.approx(together, rel=1e-3)


def test_words_and_balance() -> None:
    """By name; a class that is not there divides nothing by zero."""
    words = Multiclass(classes=("a", "b", "c"))
    assert class_weights({"b": 3}, words, np.zeros(2)).tolist() == [1, 3, 1]
    assert class_weights("balanced", words, np.array([0.0, 0.0, 0.0, 1.0])).tolist()[:2] == pytest.approx([2 / 3, 2])
    assert shift_of(np.array([2.0, 2.0])) == ()


def test_a_row_of_weight_three_counts_as_three_rows(tmp_path: Path) -> None:
    """In one step over all rows; and in the loss that chooses the epoch."""
    weight = np.where(np.arange(32) < 8, 3.0, 1.0)
    weighted = Examples([replace(examples().selections[0], weight=weight)], lambda _, rows: ROWS[rows])
    thrice = np.concatenate([np.arange(32), np.arange(8), np.arange(8)])
    repeated = Examples([chosen(TARGET[thrice])], lambda _, rows: ROWS[thrice][rows])
    said = []
    for rows, folder in ((weighted, "a"), (repeated, "b")):
        (tmp_path / folder).mkdir()
        one = learner(epochs=1, batch_size=64)
        state = train(one, rows, rows, TrainingContext(tmp_path / folder, seed=1))
        said.append([*(weights.ravel() for weights in one.steps.model.get_weights()), [state.best]])
    np.testing.assert_allclose(np.concatenate(said[0]), np.concatenate(said[1]), rtol=1e-5)


def test_rows_of_weight_zero_alone_teach_nothing() -> None:
    """As many as there may be of them; where only rows that choose weigh nothing, they all choose alike."""
    with pytest.raises(NotEnoughData, match="weight 0"):
        all_of([chosen([0, 1], [0, 0]), chosen([])])
    assert len(all_of([chosen([0, 1], [0, 0.5])])) == 1
    assert Examples([chosen([0, 1], [0, 0])], lambda _, rows: rows).weight is None


def test_a_loss_of_the_users_own_is_weighted_and_sees_targets_alone() -> None:
    """Labels keep their shape (rows, 1) for it, whatever stands beside them."""

    def loss(model: keras.Model, inputs: Any, labels: Any) -> Any:
        assert labels.shape == (2, 1)
        return keras.ops.abs(labels)

    labels = tf.constant([[1.0, 0.5], [3.0, 1.5]])
    assert float(own(loss)(None, None, labels)) == pytest.approx((0.5 + 4.5) / 2)


def test_a_weight_arrives_beside_the_rows(spec: ModelSpec, partition: Partition) -> None:
    """It is read with the label; a row from before there were weights counts as any other."""
    before, now = partition("before"), partition("now")
    frame = pl.read_parquet(now.path).with_columns(w=pl.Series([0.0, 2.0] * 4))
    frame.write_parquet(now.path)
    schema = replace(spec.schema, weight="w")
    old, new = select(schema, [before, now], "all")
    assert old.weight is not None
    assert old.weight.tolist() == [1.0] * 8
    assert new.take(np.array([1, 3])).weight.tolist() == [2.0, 2.0]  # type: ignore[union-attr]
    assert select(spec.schema, [now], "all")[0].weight is None
    assert "w" in schema.arriving
    assert "w" not in schema.inputs


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_weights_go_all_the_way(spec: ModelSpec, partition: Partition, tmp_path: Path) -> None:
    """Version 1 and a challenger with weighted rows and classes; a proof's refit is the one of a fresh process."""
    old, new = partition("old"), partition("new", seed=1)
    for file in (old, new):
        pl.read_parquet(file.path).with_columns(w=pl.Series([0.5, 2.0] * 4)).write_parquet(file.path)
    stages = (Stage(epochs=1, batch_size=4, class_weight="balanced", learning_rate=0.01),)
    ours = replace(
        spec,
        schema=replace(spec.schema, weight="w"),
        pretrain=replace(spec.pretrain, class_weight={1: 3.0}),
        finetune=FineTune(stages=stages, replay=Replay(share=1.0, balance="classes")),
    )
    first = pretrain(ours, [old], work=tmp_path / "one", seed=1)
    assert first.plan["class_weight"] == {"1": 3.0}

    def later(name: str, **how: Any) -> Trained:
        return finetune(ours, first.files, [new], [old], cache=tmp_path / "cache", work=tmp_path / name, seed=2, **how)

    kept = dict.fromkeys(later("proof").kept, 1)
    again = [later(name, refit=kept).files.head_digest for name in ("refit", "again")]
    assert again[0] == again[1] != first.files.head_digest


def test_a_head_with_balanced_classes_begins_at_their_shares() -> None:
    """Or it would begin as far from the truth as the odds between them."""
    target = np.repeat([0.0, 1.0], [990, 10])
    sigmoid = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    softmax = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    begun = [
        first_answers(objective, head, target, balanced=True)(np.zeros((1, 2)))[0, -1].numpy()
        for objective, head in ((Binary(), sigmoid), (Multiclass(2), softmax))
    ]
    assert begun == pytest.approx([0.01, 0.01], rel=0.1)
    untouched = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    assert first_answers(Binary(), untouched, target, balanced=False)(np.zeros((1, 2)))[0, 0] == 0.5


@pytest.mark.parametrize("wrong", [{}, {1: 0.0}, {1: float("nan")}, {1: "much"}, "even", {1: float("inf")}])
def test_a_weight_that_is_none_is_refused(wrong: Any) -> None:
    """Where it is written."""
    for plan in (Pretrain, Stage):
        with pytest.raises(InvalidSpec, match="class_weight"):
            plan(class_weight=wrong)


def test_weights_of_what_are_no_classes_are_refused(spec: ModelSpec) -> None:
    """Of a number, of a class that the target does not have, and beside a loss of the user's own."""
    with pytest.raises(InvalidSpec, match="no such classes"):
        replace(spec, pretrain=Pretrain(class_weight={"fraud": 2.0}))
    with pytest.raises(InvalidSpec, match="no classes to weigh"):
        replace(spec, pretrain=Pretrain(class_weight="balanced"), objective=Regression())
    with pytest.raises(InvalidSpec, match="loss of your own"):
        replace(spec, finetune=FineTune(stages=(Stage(class_weight="balanced"),)), loss=plain(Binary()))
    for column in ("a", "y", "id", "at"):
        with pytest.raises(InvalidSpec, match="weight"):
            replace(spec.schema, weight=column)
