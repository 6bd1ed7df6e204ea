"""Every name of Keras that is not public still does what we use it for."""

from __future__ import annotations

import random
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from learning.keras_private import forget_reductions, layers_within, own_random_numbers, set_seed

LEARNING = Path(__file__).parents[2] / "learning"


def drawn(seed: int, *, disturbed: bool) -> list[float]:
    """The first weights of a layer, after another thread used Python's generator or not."""
    with own_random_numbers():
        set_seed(seed)
        if disturbed:
            random.seed(77)
        layer = keras.layers.Dense(2)
        layer.build((None, 2))
    weights: list[float] = layer.kernel.numpy().ravel().tolist()
    return weights


def test_what_others_draw_changes_no_weight() -> None:
    """Prefect's threads draw from Python's generator while a model is built."""
    assert drawn(1, disturbed=True) == drawn(1, disturbed=False)


def test_the_same_seed_gives_the_same_weights() -> None:
    """And another seed gives others: Keras' own generator is seeded, not only replaced."""
    assert drawn(1, disturbed=False) == drawn(1, disturbed=False)
    assert drawn(2, disturbed=False) != drawn(1, disturbed=False)


@pytest.mark.parametrize("tensorflow", [True, False])
def test_all_that_keras_draws_from_is_seeded(tensorflow: bool) -> None:
    """Also what has no seed of its own; and NumPy's and Python's generators, which a user's code may draw from."""

    def drawn_anywhere() -> list[float]:
        with own_random_numbers():
            set_seed(3, tensorflow=tensorflow)
            return [float(keras.random.uniform(())), float(np.random.random()), random.random()]  # noqa: NPY002, S311

    first = drawn_anywhere()
    keras.random.uniform(())
    assert drawn_anywhere() == first


def test_keras_own_seed_works_again_afterwards() -> None:
    """A notebook that trains with us goes on with Keras as everybody knows it."""
    drawn(1, disturbed=False)
    seeds = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        seeds.append(keras.random.SeedGenerator().get_config()["seed"])
    assert seeds[0] == seeds[1]


def test_no_gradient_is_summed_over_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras asks for the sum under the name that we replace; test_loop.py shows that no graph is kept then."""
    asked: list[str] = []
    variable = keras.Variable([1.0])
    for forgets in (False, True):
        optimizer = keras.optimizers.SGD(0.5)
        real = optimizer._all_reduce_sum_gradients
        optimizer._all_reduce_sum_gradients = lambda gradients, real=real: asked.append("summed") or real(gradients)
        if forgets:
            forget_reductions(optimizer)
        optimizer.apply([keras.ops.convert_to_tensor([1.0])], [variable])
    assert asked == ["summed"]
    assert variable.numpy() == [0.0]


def test_the_layers_of_a_layer_are_found() -> None:
    """Attention has four dense layers in it, which no public name lists."""
    attention = keras.layers.MultiHeadAttention(num_heads=1, key_dim=2)
    attention.build((None, 3, 4), (None, 3, 4))
    dense = [layer for layer in layers_within(attention) if isinstance(layer, keras.layers.EinsumDense)]
    assert len(dense) == 4


def test_no_other_file_uses_a_name_that_is_not_public() -> None:
    """Whoever tries a newer Keras has one file to look at."""
    private = re.compile(r"keras\.src|SLF001")  # ruff lets no other private name pass without this mark
    users = {path.name for path in LEARNING.glob("*.py") if private.search(path.read_text())}
    assert users == {"keras_private.py"}
