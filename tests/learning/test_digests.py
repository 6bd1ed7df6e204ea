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


def test_another_precision_is_another_model_and_the_usual_one_has_the_digest_of_before() -> None:
    """The same weights in float32 compute something else in half precision; so inside of other layers and models."""
    same = keras.Input((3, 2)), np.ones((2, 2), "float32"), np.zeros(2, "float32")

    def built(policy: str, *, inside: bool) -> keras.Model:
        dense = keras.layers.Dense(2, dtype=policy)
        model = keras.Sequential([same[0], keras.layers.TimeDistributed(dense) if inside else dense])
        model.set_weights(same[1:])
        return keras.Sequential([same[0], model]) if inside else model

    for inside in (False, True):
        digests = {model_digest(built(one, inside=inside)) for one in ("float32", "mixed_float16", "mixed_bfloat16")}
        assert len(digests) == 3
    usual = "2a104a2a65719b7fd1fa170e2fbff306517bbdf0a3750b4f3674e5153c9d7cbc"
    assert model_digest(built("float32", inside=False)) == usual


def test_a_layer_of_integers_has_the_digest_of_before() -> None:
    """Keras writes int64 as the precision of such a layer, also in a model of float32."""
    layers = [keras.layers.Hashing(8), keras.layers.Embedding(8, 2)]
    model = keras.Sequential([keras.Input((1,), dtype="string"), *layers])
    model.set_weights([np.ones((8, 2), "float32")])
    assert model_digest(model) == "83f8ceb4441fcc212e10b09c1bb9c7bb9269d14cfa191aaa35c7f44942667c4d"
