"""The environment of a version: what it may depend on, and nothing that other tests of the same process did."""

from __future__ import annotations

import keras
from registered import registrations_undone

from learning.environment import custom_digest


def test_a_layer_that_somebody_registers_is_another_environment_until_it_is_forgotten() -> None:
    """Features are cached for each environment by itself, so that tests leave none of their layers behind."""
    before = custom_digest()
    with registrations_undone():

        @keras.saving.register_keras_serializable("environment")
        class Mine(keras.layers.Layer):  # type: ignore[misc]
            """A layer of one's own."""

        assert custom_digest() != before
    assert custom_digest() == before
