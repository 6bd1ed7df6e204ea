"""Which columns a version needs: its loss rises when they are shuffled, and does not where nobody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from learning.data import PartitionFile
from learning.files import ModelFiles, save_model
from learning.importance import LEAST, importance
from learning.outputs import outputs
from learning.prediction import predict
from learning.spec import ModelSpec

Partition = Callable[..., PartitionFile]


@pytest.fixture(scope="session")
def looks_at_a(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A version that knows: y is whether a is positive; of b and c it takes no notice."""
    from keras import Input, Model, Sequential, layers, ops

    inputs = {name: Input((1,), name=name) for name in ("a", "b")}
    inputs["c"] = Input((1,), name="c", dtype="string")
    lookup = layers.StringLookup(vocabulary=["x", "y"])
    known = ops.cast(lookup(inputs["c"]), "float32")
    base = Model(inputs, layers.Concatenate()([inputs["a"], inputs["b"], known]))
    head = Sequential([Input((3,)), layers.Dense(1, activation="sigmoid")])
    head.layers[0].set_weights([np.array([[3.0], [0.0], [0.0]]), np.zeros(1)])
    folder = tmp_path_factory.mktemp("version")
    paths = folder / "base.keras", folder / "head.keras"
    return ModelFiles(*paths, *(save_model(model, path) for model, path in zip((base, head), paths, strict=True)))


def test_only_the_column_that_is_looked_at_is_important(
    spec: ModelSpec, looks_at_a: ModelFiles, partition: Partition
) -> None:
    """The loss rises to several times what it was; of the others, not at all."""
    found = importance(spec, looks_at_a, [partition("new", 400, seed=1), partition("old", 400)])
    assert found.rows == 200  # those that are held out
    assert found.columns["a"] > 1
    assert found.columns["b"] == found.columns["c"] == 0


def test_no_more_partitions_are_read_and_no_more_rows_passed_than_are_needed(
    spec: ModelSpec, looks_at_a: ModelFiles, partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heavy base stops after a hundred rows; nobody fetches ten years for them."""
    monkeypatch.setattr("learning.importance.SECONDS", -1.0)
    monkeypatch.setattr("learning.importance.ROWS", 150)

    def newest_first() -> Iterator[PartitionFile]:
        yield partition("new", 800, seed=1)
        pytest.fail("a second partition was asked for")

    assert importance(spec, looks_at_a, newest_first()).rows == LEAST


def test_without_labelled_rows_nothing_is_known(spec: ModelSpec, looks_at_a: ModelFiles, partition: Partition) -> None:
    """Five rows, none of them labelled, or no partition."""
    assert importance(spec, looks_at_a, [partition("new", 5, unlabelled=5)]).columns == {}
    assert importance(spec, looks_at_a, []).columns == {}


def test_one_row_is_no_reason_to_fail(spec: ModelSpec, looks_at_a: ModelFiles, partition: Partition) -> None:
    """There is none to take values from but itself."""
    assert importance(spec, looks_at_a, [partition("new", 4)]).columns == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_outputs_are_those_of_the_version_labelled_or_not(
    spec: ModelSpec, looks_at_a: ModelFiles, partition: Partition, tmp_path: Path
) -> None:
    """Computed for these rows, or taken from the cache where another step left them there."""
    parts = [partition("one", 40, unlabelled=3), partition("two", 40, seed=1)]
    places = np.array([0, 2, 5, 39, 41, 79])

    def made() -> list[np.ndarray]:
        found = outputs(spec, looks_at_a, parts, places, cache=tmp_path / "cache", reduce=lambda values: values)
        return [found.prediction, found.features]

    fresh = made()
    labelled = predict(spec, looks_at_a, parts, split="all", cache=tmp_path / "cache")
    cached = made()
    for one, other in zip(fresh, cached, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert [values.shape for values in fresh] == [(6, 1), (6, 3)]
    np.testing.assert_allclose(fresh[0][2:], labelled.prediction[[2, 36, 38, 76]], rtol=1e-5)
