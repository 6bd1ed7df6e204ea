"""Heads that differ in weights alone share their graphs, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from registered import registrations_undone

from evergreen_client.model_files import load_model
from learning import heads, kept_head, loop
from learning.alike import graph_digest, is_of_keras
from learning.data import PartitionFile
from learning.files import ModelFiles, Trained, save_model
from learning.finetuning import finetune
from learning.plans import FineTune, Stage
from learning.prediction import predict
from learning.spec import ModelSpec
from learning.steps import Steps

if TYPE_CHECKING:
    import keras

ROWS = np.linspace(-1, 1, 8, dtype="float32").reshape(4, 2)


def head(*, mean: float | None = None, own: bool = False) -> keras.Model:
    """A new head, which may begin with a Normalization or end in a layer of the user's own."""
    import keras
    from keras import Input, Sequential, layers

    class Own(layers.Dense):
        """Nobody knows what it makes of its weights."""

    scale = layers.Normalization()
    scale.adapt(np.array([[mean or 0.0], [2.0]], "float32").repeat(2, axis=1))
    first = [] if mean is None else [scale]
    last = Own(1) if own else layers.Dense(1, bias_initializer=keras.initializers.RandomNormal())
    return Sequential([Input((2,)), *first, layers.Dropout(0.5), last])


def test_only_weights_may_differ() -> None:
    """What a layer was adapted to is in its graph as a constant, and what a user's own layer does nobody knows."""
    assert graph_digest(head()) == graph_digest(head())
    assert graph_digest(head(mean=1.0)) == graph_digest(head(mean=1.0))
    assert len({graph_digest(one) for one in (head(), head(mean=1.0), head(mean=3.0))}) == 3
    assert graph_digest(head(own=True)) is None


def test_what_a_graph_depends_on_is_seen_wherever_it_is() -> None:
    """In a precision, behind a name that is an activation's too, and inside of a wrapper."""
    from keras import Input, Sequential, layers

    class Own(layers.Dense):
        """Nobody knows what it makes of its weights."""

    def ends(*last: keras.Layer) -> str | None:
        return graph_digest(Sequential([Input((2, 2)), *last]))

    assert ends(layers.Dense(1)) != ends(layers.Dense(1, dtype="mixed_float16"))
    named = [ends(layers.Activation(name, name=name)) for name in ("relu", "tanh", "relu")]
    assert named[0] == named[2] != named[1]
    assert ends(layers.TimeDistributed(layers.Dense(1))) == ends(layers.TimeDistributed(layers.Dense(1)))
    assert ends(layers.TimeDistributed(Own(1))) is None


def test_a_function_of_the_users_own_is_not_keras() -> None:
    """Nor an initializer, wherever a layer has it; what Keras has by the same places is."""
    import keras
    from keras import Input, Sequential, layers

    class Drawn(keras.initializers.Initializer):
        """From anywhere."""

        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            return keras.ops.ones(shape, dtype)

    def more(x: Any) -> Any:
        return x + 1

    def of_keras(*, inside: bool = False, **parts: Any) -> bool:
        layer = layers.Dense(2, **parts)
        return is_of_keras(Sequential([Input((2, 2)), layers.TimeDistributed(layer) if inside else layer]))

    usual = {"activation": "relu", "kernel_initializer": "he_normal", "kernel_regularizer": keras.regularizers.L2(0.1)}
    for inside in (False, True):
        assert of_keras(**usual, inside=inside)
        assert not of_keras(activation=more, inside=inside)
        assert not of_keras(kernel_initializer=Drawn(), inside=inside)
    assert not is_of_keras(Sequential([Input((2,)), layers.Lambda(more)]))

    class Plus(keras.Operation):
        """In a functional model it stands between the layers, and is none of them."""

        def call(self, x: Any) -> Any:
            return x + 1

        def compute_output_spec(self, x: Any) -> Any:
            return keras.KerasTensor(x.shape, x.dtype)

    row = Input((2,))
    assert is_of_keras(keras.Model(row, keras.ops.clip(row, 0, 1)))
    assert not is_of_keras(keras.Model(row, Plus()(row)))
    assert not is_of_keras(head(own=True))


def test_each_head_says_its_own_through_the_graph_that_they_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A champion and its challengers are asked by turns; only the first of them is traced."""
    traced = list[Any]()
    original = heads.in_batches

    def noted(model: Any, **how: Any) -> Any:
        traced.append(model)
        return original(model, **how)

    monkeypatch.setattr(heads, "in_batches", noted)
    heads._newest.clear()
    models = [head() for _ in range(3)]
    files = [ModelFiles(Path(), path := tmp_path / f"{n}.keras", "", save_model(m, path)) for n, m in enumerate(models)]
    for place in (0, 1, 0, 2, 1, 2, 0):
        said = np.asarray(heads.head_of(files[place])(ROWS))
        np.testing.assert_array_equal(said, np.asarray(models[place](ROWS, training=False)))
    assert len(traced) == 1


def test_a_head_that_was_just_trained_is_not_built_from_its_file(
    spec: ModelSpec,
    champion: Trained,
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says what its file says, though another training goes on with the very same model."""
    heads._newest.clear()
    cache, rows = tmp_path / "cache", [partition("one", seed=3, number=12)]
    says = partial(predict, spec, partitions=rows, split="all", cache=cache)
    says(champion.files)  # whose graph does for all of them
    with monkeypatch.context() as patched:
        patched.setattr(heads, "load_model", lambda path: pytest.fail(f"{path} is read"))
        plan = FineTune(stages=(Stage(epochs=1, batch_size=4, learning_rate=0.05),))
        how = {"cache": cache, "plan": plan}
        first, second = (
            finetune(spec, champion.files, rows, [], seed=seed, work=tmp_path / str(seed), **how) for seed in (5, 6)
        )
        told = [says(one.files).prediction for one in (first, second)]
    assert first.files.head_digest != second.files.head_digest
    heads._newest.clear()
    for one, was in zip((first, second), told, strict=True):
        np.testing.assert_array_equal(says(one.files).prediction, was)


def noisy_loss(model: keras.Model, inputs: Any, labels: Any) -> Any:
    """A loss that draws from TensorFlow's own generator, as no layer of Keras' does."""
    import keras
    import tensorflow as tf

    said = model(inputs, training=True)
    return keras.losses.binary_crossentropy(labels, keras.ops.clip(said + tf.random.normal(tf.shape(said)), 0, 1))


@pytest.mark.parametrize("of", ["activation", "loss"])
def test_what_draws_from_tensorflow_comes_to_the_same_bits_in_a_graph_that_was_kept(
    of: str, spec: ModelSpec, champion: Trained, partition: Callable[..., PartitionFile], tmp_path: Path
) -> None:
    """TensorFlow keeps in a graph's kernels how far they have drawn: seeded anew, they are made anew."""
    import keras
    import tensorflow as tf
    from keras import Input, Sequential, layers

    files, own = champion.files, spec
    with registrations_undone():
        if of == "activation":

            @keras.saving.register_keras_serializable()
            def noisy(x: Any) -> Any:
                return keras.activations.sigmoid(x + tf.random.normal(tf.shape(x)))

            made, path = Sequential([Input((4,)), layers.Dense(1, activation=noisy)]), tmp_path / "noisy.keras"
            files = replace(files, head=path, head_digest=save_model(made, path))
        else:
            own = replace(spec, loss=noisy_loss)
        plan = FineTune(stages=(Stage(epochs=2, batch_size=4, learning_rate=0.05),))
        rows, cache = [partition("one", seed=3, number=12)], tmp_path / "cache"
        kept_head._newest.clear()
        curves = [
            finetune(own, files, rows, [], seed=5, plan=plan, cache=cache, work=tmp_path / work).epochs
            for work in ("first", "again")
        ]
    assert curves[0] == curves[1]
    assert len(curves[0]) > 0


@pytest.mark.slow
def test_tensorflows_generator_is_seeded_where_somebody_elses_code_takes_part(
    spec: ModelSpec,
    champion: Trained,
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nowhere else, as it makes all graphs begin anew: not for a thawed base of Keras' own layers either."""
    import keras

    seeded = list[bool]()
    monkeypatch.setattr(loop, "set_seed", lambda _, *, tensorflow: seeded.append(tensorflow))
    rows = [partition("one", seed=3, number=12)]
    head_alone, thawed = (Stage(epochs=1, thaw=thaw, learning_rate=0.05) for thaw in ((), ("block2",)))

    def seeds(own: ModelSpec, files: ModelFiles, stage: Stage) -> bool:
        work = tmp_path / f"work-{len(seeded)}"
        finetune(own, files, rows, [], seed=5, plan=FineTune(stages=(stage,)), cache=tmp_path / "cache", work=work)
        return seeded[-1]

    files = champion.files
    assert not seeds(spec, files, head_alone)
    assert not seeds(spec, files, thawed)
    assert not seeds(spec, files, replace(head_alone, lora_rank=1))
    assert seeds(replace(spec, callbacks=list), files, head_alone)
    assert seeds(replace(spec, loss=noisy_loss), files, head_alone)
    with registrations_undone():

        @keras.saving.register_keras_serializable()
        def more(x: Any) -> Any:
            return keras.activations.relu(x)

        base = load_model(files.base)
        base.get_layer("block2").activation = more
        path = tmp_path / "base.keras"
        spoiled = replace(files, base=path, base_digest=save_model(base, path))
        assert not seeds(spec, spoiled, head_alone)
        assert seeds(spec, spoiled, thawed)


@pytest.mark.slow
def test_the_next_champions_fine_tuning_takes_the_graphs_over_and_comes_to_the_same_bits(
    spec: ModelSpec,
    champion: Trained,
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that retrains again and again traces once, and a killed one goes on in a process that never did."""
    traced = list[str]()
    original = Steps._traced
    monkeypatch.setattr(Steps, "_traced", lambda self, inputs: traced.append("") or original(self, inputs))
    new = [partition(name, seed=seed, number=12) for name, seed in (("one", 3), ("two", 4))]
    plan = FineTune(stages=(Stage(epochs=2, batch_size=4, learning_rate=0.05),))

    def trained(work: str, begins: Trained, rows: PartitionFile) -> Trained:
        folders = {"cache": tmp_path / "cache", "work": tmp_path / work}
        return finetune(spec, begins.files, [rows], [], seed=5, plan=plan, **folders)

    kept_head._newest.clear()
    first = trained("first", champion, new[0])
    second = trained("second", first, new[1])
    assert len(traced) == 1
    kept_head._newest.clear()
    alone = trained("alone", first, new[1])
    assert len(traced) == 2
    assert first.files.head_digest not in {champion.files.head_digest, second.files.head_digest}
    assert (second.files.head_digest, second.epochs) == (alone.files.head_digest, alone.epochs)
