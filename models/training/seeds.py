"""Random numbers that depend on a seed alone."""

from __future__ import annotations

import random


def set_seed(seed: int) -> None:
    """Seed Keras, and NumPy and TensorFlow with it.

    Keras draws the seeds of initial weights and of dropout from Python's own generator, and so does any other thread of
    the process: a client of Prefect that waits a moment before it asks again would change what a model learns. Here
    Keras gets a generator that is nobody else's.
    """
    import keras
    from keras.src.random import seed_generator  # it has no public name

    keras.utils.set_random_seed(seed % 2**32)
    seed_generator.python_random = random.Random(seed % 2**32)  # noqa: S311 - weights are no secret
