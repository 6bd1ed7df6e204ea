"""From champion to challenger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest

from errors import InvalidSpec, NotEnoughData, TrainingDiverged, TrainingError
from evergreen_client.model_files import load_model
from learning import finetuning
from learning.checkpoint import TrainingState
from learning.data import PartitionFile
from learning.digests import weights_digest
from learning.features import FrozenBase
from learning.files import ModelFiles, Trained
from learning.finetuning import finetune
from learning.loop import train
from learning.objectives import Regression
from learning.plans import FineTune, FromScratch, Pretrain, Replay, Stage
from learning.schedules import constant
from learning.spec import ModelSpec

pytestmark = pytest.mark.usefixtures("eagerly")  # those of `graphs` train each way in them

Partition = Callable[..., PartitionFile]
History = tuple[PartitionFile, ...]


@pytest.fixture
def tune(
    spec: ModelSpec, champion: Trained, history: History, partition: Partition, tmp_path: Path
) -> Callable[..., Trained]:
    """A function that fine-tunes the champion on new rows; the same new rows for every call."""
    new = partition("new", seed=3)

    def call(work: str = "work", seed: int = 5, spec: ModelSpec = spec, **more: Any) -> Trained:
        more = {"cache": tmp_path / "cache", "old": history, "new": [new]} | more
        return finetune(spec, champion.files, more.pop("new"), more.pop("old"), work=tmp_path / work, seed=seed, **more)

    return call


def head(*stages: Stage, **how: Any) -> FineTune:
    """A plan; without stages, of two short epochs of the head."""
    return FineTune(stages=stages or (Stage(epochs=2, batch_size=4, learning_rate=0.05),), **how)


class Crash(Exception):
    """The process ends here."""


def no_callbacks() -> list[keras.callbacks.Callback]:
    """Nothing, but written in this file, whose text is part of the task."""
    return []


THAW = Stage("thawed", thaw=("block2",), epochs=1, batch_size=4, learning_rate=0.05)


def test_a_head_stage_gives_a_new_head_on_the_very_same_base(
    graphs: None, tune: Callable[..., Trained], champion: Trained
) -> None:
    """The base's file is the champion's own: not one bit of it can have changed."""
    challenger = tune(plan=head())
    assert challenger.files.base == champion.files.base
    assert challenger.files.base_digest == champion.files.base_digest
    assert challenger.files.head_digest != champion.files.head_digest


@pytest.mark.slow
def test_the_same_seed_gives_the_same_head_and_another_seed_another(tune: Callable[..., Trained]) -> None:
    """Reproducible to the last bit, dropout included."""
    one, two, other = (tune(work, seed, plan=head()) for work, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert (one.files.head_digest, one.epochs) == (two.files.head_digest, two.epochs)
    assert one.epochs != other.epochs


@pytest.mark.slow
def test_cached_features_and_raw_rows_train_the_same_head(
    graphs: None, tune: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache is a shortcut, not another method: same seed and order, same weights within rounding."""
    cached = tune("cached", plan=head())
    challenger = finetuning._Challenger
    monkeypatch.setattr(challenger, "_on_features", lambda self, stage, _cache: challenger._on_raw_rows(self, stage))
    plain = tune("plain", plan=head())
    for one, two in zip(*(load_model(trained.files.head).get_weights() for trained in (cached, plain)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_a_full_cache_needs_no_base(tune: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once features are kept, a retrain does not even load the base."""
    first = tune("one", plan=head())
    monkeypatch.setattr(FrozenBase, "model", property(lambda _self: pytest.fail("the base was loaded")))
    assert tune("two", plan=head()).files.head_digest == first.files.head_digest


def test_a_thawing_stage_changes_the_named_layer_and_nothing_else_of_the_base(
    graphs: None, tune: Callable[..., Trained], champion: Trained
) -> None:
    """A new base comes out; BatchNorm statistics and all other layers are bit-identical."""
    challenger = tune(plan=head(Stage(epochs=1, batch_size=4, learning_rate=0.05), THAW))
    before, after = (load_model(trained.files.base) for trained in (champion, challenger))
    changed = {
        layer.name
        for layer, other in zip(before.layers, after.layers, strict=True)
        if weights_digest(layer.weights) != weights_digest(other.weights)
    }
    assert changed == {"block2"}
    assert challenger.files.base_digest != champion.files.base_digest
    assert {point.stage for point in challenger.epochs} == {"head", "thawed"}


@pytest.mark.slow
def test_a_stage_starts_at_the_loss_that_the_one_before_reached(
    tune: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another stage costs no other look at the validation rows before it learns."""
    states: list[TrainingState] = []

    def watched(*arguments: Any) -> Any:
        states.append(train(*arguments))
        return states[-1]

    monkeypatch.setattr(finetuning, "train", watched)
    tune(plan=head(Stage(epochs=2, batch_size=4, learning_rate=0.05), THAW))
    assert states[1].start == states[0].best


def test_thawing_batchnorm_moves_its_weights_but_not_its_statistics(
    tune: Callable[..., Trained], champion: Trained
) -> None:
    """Statistics of a few new rows would wreck what the base learned."""
    challenger = tune(plan=head(replace(THAW, thaw=("norm",))))
    before, after = (load_model(trained.files.base).get_layer("norm") for trained in (champion, challenger))
    assert weights_digest(before.non_trainable_weights) == weights_digest(after.non_trainable_weights)
    assert weights_digest(before.trainable_weights) != weights_digest(after.trainable_weights)


def test_a_frozen_layer_that_changes_after_all_is_an_error(
    tune: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promise is checked after every stage, not trusted."""

    def vandal(learner: Any, *_: Any) -> None:
        learner.steps.model.base.get_layer("block1").bias.assign_add([1.0, 0, 0, 0])

    monkeypatch.setattr(finetuning, "train", vandal)
    with pytest.raises(TrainingError, match="frozen layers"):
        tune(plan=head(THAW))


def test_thawing_a_layer_that_is_not_there_names_the_nearest(tune: Callable[..., Trained]) -> None:
    """A typing mistake in a plan does not train for an hour first."""
    with pytest.raises(InvalidSpec, match="did you mean 'block2'"):
        tune(plan=head(replace(THAW, thaw=("blok2",))))


def test_a_loss_without_bounds_stops_the_training(
    spec: ModelSpec, tune: Callable[..., Trained], partition: Partition, tmp_path: Path
) -> None:
    """A version whose loss is not a number, or absurd, is never made."""
    absurd = pl.read_parquet(partition("fine").path).with_columns(y=pl.lit(1e30))
    absurd.write_parquet(tmp_path / "absurd.parquet")
    new = [PartitionFile("absurd", tmp_path / "absurd.parquet")]
    with pytest.raises(TrainingDiverged, match="epoch 1 of stage 'head'"):
        tune(new=new, spec=replace(spec, objective=Regression()), plan=head())


def test_a_delivery_that_no_learning_rate_helps_is_named(
    tune: Callable[..., Trained], partition: Partition, tmp_path: Path
) -> None:
    """The partition, the column, and the command that recalls it; not a rate to lower, as that would not help."""
    absurd = pl.read_parquet(partition("new", flip=True).path).with_columns(a=pl.lit(1e37, pl.Float64))
    absurd.write_parquet(tmp_path / "absurd.parquet")
    new = [partition("fine", seed=1), PartitionFile("0123456789abcdef", tmp_path / "absurd.parquet")]
    with pytest.raises(TrainingDiverged) as raised:
        tune(new=new, plan=head())
    assert "8 rows of partition 0123456789ab have values in column 'a'" in raised.value.why
    assert "evergreen partitions recall small 0123456789ab --reason" in raised.value.fix
    assert "1e+37" not in str(raised.value)


def test_rows_without_labels_are_no_reason_to_train(tune: Callable[..., Trained], partition: Partition) -> None:
    """Nothing new to learn from is an error, not trained around."""
    with pytest.raises(NotEnoughData, match="0 labelled"):
        tune(new=[partition("unlabelled", unlabelled=8)], plan=head())


def test_replayed_partitions_are_named_and_without_replay_there_are_none(tune: Callable[..., Trained]) -> None:
    """Lineage tells which old rows a version saw again."""
    assert set(tune("with", plan=head(replay=Replay(share=1.0))).replayed) == {"old1", "old2"}
    assert tune("without", plan=head(replay=Replay(share=0.0))).replayed == ()


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(head(), id="head"),
        pytest.param(FromScratch(Pretrain(epochs=1, batch_size=4)), id="from scratch", marks=pytest.mark.slow),
    ],
)
def test_rows_of_the_proving_window_do_not_reach_a_proof(
    tune: Callable[..., Trained], partition: Partition, tmp_path: Path, plan: FineTune | FromScratch
) -> None:
    """Whatever their labels and values, the challenger is the same to the last bit; of old rows too."""
    before = datetime(2024, 1, 1, 0, 6, tzinfo=UTC)
    later = pl.col("at") >= before
    proofs = []
    for name, change in (("as it was", 0.0), ("otherwise", 1.0)):
        parts = {}
        for role in ("new", "old"):
            frame = pl.read_parquet(partition(f"{role} {name}", seed=len(role), number=8).path)
            frame = frame.with_columns(
                y=pl.when(later).then((change - pl.col("y")).abs()).otherwise("y"),
                a=pl.when(later).then(pl.col("a") + change).otherwise("a"),
            )
            frame.write_parquet(tmp_path / f"{role} {name}.parquet")
            parts[role] = [PartitionFile(f"{role} {name}", tmp_path / f"{role} {name}.parquet")]
        proofs.append(tune(name, plan=plan, before=before, **parts))
    one, other = (load_model(proof.files.head).get_weights() for proof in proofs)
    assert all(map(np.array_equal, one, other))


@pytest.fixture
def proof_and_refit(spec: ModelSpec, tune: Callable[..., Trained]) -> Callable[..., tuple[Trained, Trained]]:
    """A function that trains a proof on all but the last minutes, and its refit; a row is a block."""
    fine = replace(spec, schema=replace(spec.schema, block="1m"))

    def train_both(plan: FineTune, **more: Any) -> tuple[Trained, Trained]:
        proof = tune("proof", spec=fine, plan=plan, before=datetime(2024, 1, 1, 0, 6, tzinfo=UTC))
        return proof, tune(more.pop("work", "refit"), spec=fine, plan=plan, refit=more.pop("refit", proof.kept), **more)

    return train_both


def test_a_refit_learns_from_everything_for_as_many_epochs_as_the_proof_kept(
    proof_and_refit: Callable[..., tuple[Trained, Trained]],
) -> None:
    """Each stage for its own, nothing validated; and both trainings are recorded as what they are."""
    plan = head(Stage(epochs=6, patience=9, batch_size=4, learning_rate=0.05), THAW)
    proof, refit = proof_and_refit(plan, refit={"head": 2, "thawed": 1})
    assert set(proof.kept) == {"head", "thawed"}
    assert refit.kept == {"head": 2, "thawed": 1}
    points = [(point.stage, point.epoch, point.name) for point in refit.epochs]
    assert points == [("head", 1, "loss"), ("head", 2, "loss"), ("thawed", 1, "loss")]
    assert proof.plan["before"] == "2024-01-01 00:06:00+00:00"
    assert refit.plan["refit"] == {"head": 2, "thawed": 1}
    assert "5 new" in proof.reason  # of six rows a fourth is held out
    assert "6 new" in refit.reason
    assert "refit as proven: stage 'head' 2 epochs, stage 'thawed' 1 epochs" in refit.reason
    assert "before" not in refit.plan


@pytest.mark.slow
def test_a_refit_of_no_epoch_is_the_champion(
    proof_and_refit: Callable[..., tuple[Trained, Trained]], champion: Trained
) -> None:
    """Where no stage found anything better than its beginning, there is nothing to repeat."""
    _, refit = proof_and_refit(head(Stage(epochs=2, batch_size=4), THAW), refit={"head": 0, "thawed": 0})
    assert refit.files.head_digest == champion.files.head_digest
    assert refit.files.base == champion.files.base
    assert refit.kept == {"head": 0, "thawed": 0}
    assert refit.epochs == ()


@pytest.mark.slow
def test_a_crash_in_a_refit_changes_nothing_in_the_end(proof_and_refit: Callable[..., tuple[Trained, Trained]]) -> None:
    """It goes on from the last whole epoch to the very same bits; the proof's work is not touched."""
    plan = head(Stage(epochs=4, patience=9, batch_size=4, learning_rate=0.05))

    def die(_stage: str, done: int, total: int, _metrics: Any) -> None:
        assert total == 3
        if done == 2:
            raise Crash

    with pytest.raises(Crash):
        proof_and_refit(plan, refit={"head": 3}, progress=die)
    epochs: list[int] = []
    _, again = proof_and_refit(
        plan, refit={"head": 3}, progress=lambda _stage, done, _total, _metrics: epochs.append(done)
    )
    _, whole = proof_and_refit(plan, refit={"head": 3}, work="whole")
    assert epochs == [3]
    assert (again.files.head_digest, again.epochs) == (whole.files.head_digest, whole.epochs)


@pytest.mark.slow
def test_only_rows_since_a_moment_are_replayed(
    spec: ModelSpec, tune: Callable[..., Trained], history: History, tmp_path: Path
) -> None:
    """After the world turned, what was before it teaches the wrong thing; from scratch it is left out too."""
    turned = datetime(2024, 2, 1, tzinfo=UTC)
    frame = pl.read_parquet(history[1].path).with_columns(pl.col("at").dt.offset_by("40d"))
    frame.write_parquet(tmp_path / "since.parquet")
    old = [history[0], PartitionFile("since", tmp_path / "since.parquet")]
    new = tmp_path / "later.parquet"
    pl.read_parquet(history[0].path).with_columns(pl.col("at").dt.offset_by("50d")).write_parquet(new)
    ask = {"spec": spec, "old": old, "new": [PartitionFile("later", new)], "replay_since": turned}
    assert tune("tuned", plan=head(replay=Replay(share=1.0)), **ask).replayed == ("since",)
    scratch = tune("scratch", plan=FromScratch(Pretrain(epochs=1, batch_size=4)), refit={"pretrain": 1}, **ask)
    assert "learned from 12 rows" in scratch.reason


@pytest.mark.slow
def test_other_cures_against_forgetting_lead_elsewhere(tune: Callable[..., Trained]) -> None:
    """Distillation, EWC and shrink-and-perturb each act, and act the same twice."""
    cures: list[dict[str, float]] = [{"distill": 0.5}, {"anchor": 10.0}, {"shrink": 0.5, "perturb": 0.1}]
    once, twice = ([tune(f"{work}{how}", plan=head(**how)).files.head_digest for how in cures] for work in "ab")
    assert once == twice
    assert len({tune("c", plan=head()).files.head_digest, *once}) == 4


@pytest.mark.slow
def test_distillation_works_while_layers_are_thawed(graphs: None, tune: Callable[..., Trained]) -> None:
    """The teacher then sees raw rows, as the student does."""
    assert tune(plan=head(THAW, distill=0.5)).files.base_digest != tune("x", plan=head(THAW)).files.base_digest


def test_from_scratch_is_a_plan_too(tune: Callable[..., Trained], champion: Trained) -> None:
    """Base and head are new, learned from old and new rows together."""
    challenger = tune(plan=FromScratch(Pretrain(epochs=1, batch_size=4)))
    assert challenger.files.base_digest != champion.files.base_digest
    assert "3 partitions" in challenger.reason


@pytest.mark.slow
def test_augmented_rows_do_not_come_from_the_cache(spec: ModelSpec, tune: Callable[..., Trained]) -> None:
    """Rows that look different in every epoch have no features to keep."""

    def augment(_sample: Any) -> keras.Model:
        inputs = {name: keras.Input((1,), name=name) for name in ("a", "b")}
        inputs["c"] = keras.Input((1,), name="c", dtype="string")
        noisy = keras.layers.GaussianNoise(0.5)(inputs["a"])
        return keras.Model(inputs, {**inputs, "a": noisy})

    plain = tune("plain", plan=head())
    augmented = [tune(work, spec=replace(spec, augment=augment), plan=head()) for work in ("one", "two")]
    digests = [trained.files.head_digest for trained in augmented]
    assert digests[0] == digests[1] != plain.files.head_digest


@pytest.mark.slow
def test_callbacks_of_the_spec_are_heard_and_obeyed(spec: ModelSpec, tune: Callable[..., Trained]) -> None:
    """Whatever acts on epochs in `fit` acts here: rates are set, training is stopped."""
    heard: list[tuple[int, float]] = []

    class Stop(keras.callbacks.Callback):
        """Stops after the second epoch."""

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            """Note the rate that the epoch ran at."""
            assert logs is not None
            assert {"loss", "val_loss"} <= set(logs)
            heard.append((epoch, round(float(self.model.optimizer.learning_rate), 4)))
            self.model.stop_training = epoch == 1

    def callbacks() -> list[keras.callbacks.Callback]:
        return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * (epoch + 1)), Stop()]

    stage = Stage(epochs=9, patience=9, batch_size=4, schedule=constant)
    tune(spec=replace(spec, callbacks=callbacks), plan=head(stage))
    assert heard == [(0, 0.01), (1, 0.02)]


@pytest.mark.slow
def test_learning_curves_reach_caller_and_tensorboard(tune: Callable[..., Trained], tmp_path: Path) -> None:
    """Epoch values come back, progress is called, and TensorBoard has a folder a stage."""
    calls: list[tuple[str, int, int]] = []
    trained = tune(
        plan=head(), logs=tmp_path / "logs", progress=lambda stage, done, total, _: calls.append((stage, done, total))
    )
    assert calls == [("head", 1, 2), ("head", 2, 2)]
    assert {(point.epoch, point.name) for point in trained.epochs} >= {
        (1, "loss"),
        (2, "val_loss"),
        (2, "val_accuracy"),
    }
    assert list((tmp_path / "logs" / "head" / "train").glob("events*"))


def test_the_plan_comes_back_as_json_with_the_rates_that_were_used(tune: Callable[..., Trained]) -> None:
    """A version can be explained years later."""
    plan = tune(plan=head(Stage(epochs=1, learning_rate_scale=0.5))).plan
    assert plan["kind"] == "FineTune"
    assert plan["stages"][0]["schedule"] == "cosine"
    assert plan["learning_rates"] == {"head": 0.0005}


@pytest.mark.slow
def test_a_crash_in_any_epoch_of_any_stage_changes_nothing_in_the_end(
    spec: ModelSpec, tune: Callable[..., Trained]
) -> None:
    """Run again in the same folder, training goes on from the last whole epoch to the very same bits."""
    how = {"epochs": 4, "patience": 9, "batch_size": 4, "learning_rate": 0.05}
    plan = head(Stage("head", **how), Stage("thawed", thaw=("block2",), **how))
    spec = replace(spec, callbacks=no_callbacks)
    whole = tune("whole", spec=spec, plan=plan)
    for stage, epoch in (("head", 0), ("head", 2), ("thawed", 0), ("thawed", 3)):
        again, epochs = torn_and_gone_on(spec, tune, plan, (stage, epoch))
        assert (again.files.base_digest, again.files.head_digest) == (whole.files.base_digest, whole.files.head_digest)
        assert again.epochs == whole.epochs
        assert len(epochs) == 8 - epoch - (4 if stage == "thawed" else 0)


def torn_and_gone_on(
    spec: ModelSpec, tune: Callable[..., Trained], plan: FineTune, moment: tuple[str, int]
) -> tuple[Trained, list[int]]:
    """What a training comes to that died in this stage and epoch and was run again, and the epochs it ran then."""
    reached: list[str] = []
    work = f"torn in epoch {moment[1]} of {moment[0]}"

    class Crashing(keras.callbacks.Callback):
        """Dies in the middle of an epoch."""

        def on_train_begin(self, _logs: Any = None) -> None:
            """The second stage trains more than the head."""
            reached.append("head" if len(reached) == 0 else "thawed")

        def on_epoch_begin(self, now: int, _logs: Any = None) -> None:
            """Remember the epoch."""
            self.epoch = now

        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            """The weights have changed, and nothing is saved yet."""
            if (reached[-1], self.epoch) == moment:
                raise Crash

    with pytest.raises(Crash):
        tune(work, spec=replace(spec, callbacks=lambda: [Crashing()]), plan=plan)
    epochs: list[int] = []
    again = tune(work, spec=spec, plan=plan, progress=lambda _stage, done, _total, _metrics: epochs.append(done))
    return again, epochs


def test_what_is_finished_is_not_repeated(tune: Callable[..., Trained]) -> None:
    """The same task in the same folder gives its result at once; another task starts anew."""
    first = tune(plan=head())
    assert tune(plan=head(), progress=lambda *_: pytest.fail("it trained again")) == first
    other = tune(seed=6, plan=head())
    assert other.files.head_digest != first.files.head_digest
    assert isinstance(other.files, ModelFiles)


@pytest.mark.slow
def test_another_head_is_another_task(spec: ModelSpec, tune: Callable[..., Trained]) -> None:
    """Work of an edited model is not taken for what was trained before the edit."""

    def build_head(features: tuple[int, ...]) -> keras.Model:
        return spec.build_head(features)

    first = tune(plan=head())
    calls: list[int] = []
    edited = replace(spec, build_head=build_head)
    tune(spec=edited, plan=head(), progress=lambda _stage, done, _total, _metrics: calls.append(done))
    assert calls, first


@pytest.mark.slow
def test_a_crash_among_augmented_rows_changes_nothing_in_the_end(
    graphs: None, spec: ModelSpec, tune: Callable[..., Trained]
) -> None:
    """Random seeds of the augmentation are saved with the rest, so that the same noise follows."""

    def augment(_sample: Any) -> keras.Model:
        inputs = {name: keras.Input((1,), name=name) for name in ("a", "b")}
        inputs["c"] = keras.Input((1,), name="c", dtype="string")
        return keras.Model(inputs, {**inputs, "a": keras.layers.GaussianNoise(0.5)(inputs["a"])})

    noisy = replace(spec, augment=augment)
    plan = head(Stage(epochs=4, patience=9, batch_size=4, learning_rate=0.05))
    whole = tune("whole", spec=noisy, plan=plan)

    def die(_stage: str, done: int, _total: int, _metrics: Any) -> None:
        if done == 2:
            raise Crash

    with pytest.raises(Crash):
        tune("torn", spec=noisy, plan=plan, progress=die)
    again = tune("torn", spec=noisy, plan=plan)
    assert (again.files.head_digest, again.epochs) == (whole.files.head_digest, whole.epochs)


@pytest.mark.slow
@pytest.mark.parametrize("torn", ["trained.json", "head.keras"])
def test_torn_results_are_made_again(tune: Callable[..., Trained], tmp_path: Path, torn: str) -> None:
    """What a full disk or a power cut left in the work folder blocks nothing."""
    first = tune(plan=head())
    (tmp_path / "work" / torn).write_bytes(b"{")
    assert tune(plan=head()).files.head_digest == first.files.head_digest
