"""Digests say what a model is, however it came to be."""

from pathlib import Path

import keras
import numpy as np

from evergreen_client.model_files import load_model
from learning.digests import model_digest
from learning.files import save_model
from learning.keras_private import own_random_numbers, set_seed
from learning.spec import ModelSpec

SAMPLE = {"b": np.arange(4, dtype="float32").reshape(-1, 1)}


def build(spec: ModelSpec, seed: int = 0) -> keras.Model:
    """The small base, from a seed that no other thread of the process can use up."""
    with own_random_numbers():
        set_seed(seed)
        return spec.build_base(SAMPLE)


def test_two_builds_from_one_seed_are_the_same_model(spec: ModelSpec) -> None:
    """Automatic names (dense_3) depend on what the process built before; digests do not."""
    assert model_digest(build(spec)) == model_digest(build(spec))


def test_saving_and_loading_keeps_the_digest_though_bytes_differ(spec: ModelSpec, tmp_path: Path) -> None:
    """A `.keras` file carries its save date; the digest is of what it holds."""
    digest = save_model(build(spec), tmp_path / "one.keras")
    assert save_model(load_model(tmp_path / "one.keras"), tmp_path / "two.keras") == digest


def test_another_weight_is_another_model(spec: ModelSpec) -> None:
    """One changed number changes the digest."""
    model = build(spec)
    before = model_digest(model)
    model.get_layer("block2").bias.assign([0, 0, 0, 1e-6])
    assert model_digest(model) != before


def test_structure_counts_and_the_trainable_flag_does_not() -> None:
    """The same weights behind another activation are another model; freezing a model is no change to it."""
    plain, other = (
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation=activation)])
        for activation in (None, "tanh")
    )
    other.set_weights(plain.get_weights())
    before = model_digest(plain)
    assert model_digest(other) != before
    plain.trainable = False
    assert model_digest(plain) == before


def test_another_vocabulary_is_another_model() -> None:
    """Look-up tables are no weights, and count."""
    one, two = (
        keras.Sequential([keras.Input((1,), dtype="string"), keras.layers.StringLookup(vocabulary=words)])
        for words in (["x", "y"], ["y", "x"])
    )
    assert model_digest(one) != model_digest(two)
