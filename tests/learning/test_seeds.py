"""The same seed gives the same numbers, whatever else goes on."""

import random

import keras

from learning.seeds import own_random_numbers, set_seed


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
    assert drawn(2, disturbed=False) != drawn(1, disturbed=False)


def test_keras_own_seed_works_again_afterwards() -> None:
    """A notebook that trains with us goes on with Keras as everybody knows it."""
    drawn(1, disturbed=False)
    seeds = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        seeds.append(keras.random.SeedGenerator().get_config()["seed"])
    assert seeds[0] == seeds[1]
