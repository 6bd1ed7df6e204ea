"""Random numbers that depend on a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """Let Keras draw the seeds of initial weights and of dropout from a generator that is nobody else's.

    It is Python's own one otherwise, which any other thread of the process draws from too: a client of Prefect that
    waits a moment before it asks again would change what a model learns.
    """
    from keras.src.random import seed_generator  # it has no public name

    shared = seed_generator.python_random
    seed_generator.python_random = random.Random()  # noqa: S311 - weights are no secret
    try:
        yield
    finally:
        seed_generator.python_random = shared


def set_seed(seed: int) -> None:
    """Seed Keras, and NumPy and TensorFlow with it."""
    import keras
    from keras.src.random import seed_generator

    keras.utils.set_random_seed(seed % 2**32)
    seed_generator.python_random.seed(seed % 2**32)
