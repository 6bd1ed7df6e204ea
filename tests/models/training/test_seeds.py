"""The same seed gives the same numbers, whatever else goes on."""

import random

import keras

from models.training.seeds import set_seed


def drawn(seed: int, *, disturbed: bool) -> list[float]:
    """The first weights of a layer, after another thread used Python's generator or not."""
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
