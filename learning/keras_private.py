"""The names of Keras that are not public and that we cannot do without, each in one function with its reason.

A newer Keras may drop any of them without notice, so pyproject.toml bounds Keras because of this file. One test of
tests/learning/test_keras_private.py watches each name, and fails where it is gone or does nothing any more.
A last such name, `_inbound_nodes`, is in evergreen_client/batches.py: services install that package without this one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """Let Keras draw the seeds of initial weights and of dropout from a generator that is nobody else's.

    `keras.src.random.seed_generator.python_random` is Python's own one otherwise, which any other thread of the
    process draws from too: a client of Prefect that waits a moment before it asks again would change what a model
    learns. Watched by test_what_others_draw_changes_no_weight.
    """
    from keras.src.random import seed_generator

    shared = seed_generator.python_random
    seed_generator.python_random = random.Random()  # noqa: S311 - weights are no secret
    try:
        yield
    finally:
        seed_generator.python_random = shared


def set_seed(seed: int, *, tensorflow: bool = True) -> None:
    """Seed Keras, and NumPy and TensorFlow with it.

    Keras' own function seeds Python's shared generator, which inside `own_random_numbers` is not the one that Keras
    draws from: that one is seeded by its private name. Watched by test_the_same_seed_gives_the_same_weights.

    Args:
        seed: any number.
        tensorflow: whether TensorFlow's generator is seeded too, from which nothing of Keras' own draws. For that
            TensorFlow forgets how it runs each graph that it has (docs/adr/0029).
    """
    import keras
    import numpy as np
    from keras.src.backend.common.global_state import set_global_attribute
    from keras.src.random import seed_generator

    if tensorflow:
        keras.utils.set_random_seed(seed % 2**32)
    else:
        random.seed(seed % 2**32)
        np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's own code may draw from it
        set_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR, None)  # as Keras' function does
    seed_generator.python_random.seed(seed % 2**32)


def forget_reductions(optimizer: keras.Optimizer) -> None:
    """Let an optimizer take gradients as they are, instead of summing them over replicas.

    There is one replica, so nothing to sum; but TensorFlow keeps the graph of every such sum for ever, and a process
    that retrains for months would grow. `_all_reduce_sum_gradients` has no public switch. Watched by
    test_no_gradient_is_summed_over_replicas.
    """
    optimizer._all_reduce_sum_gradients = lambda gradients: gradients  # noqa: SLF001


def layers_within(layer: keras.Layer) -> list[keras.Layer]:
    """A layer and all layers in it.

    `.layers` is there for models only: those inside of a MultiHeadAttention are to be had by `_flatten_layers` alone.
    Watched by test_the_layers_of_a_layer_are_found.
    """
    return list(layer._flatten_layers())  # noqa: SLF001
