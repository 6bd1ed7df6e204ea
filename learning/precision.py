"""Training where weights or arithmetic have half the usual precision: small steps, and small gradients, would be lost.

A weight of bfloat16 has three digits, so that most gradient steps round to none; and of float16 arithmetic, gradients
below 6e-8 are zero. So weights of half precision learn as copies in float32 (Micikevicius et al., "Mixed precision
training", 2018), and a loss that passes through float16 is scaled, by Keras' own LossScaleOptimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from learning.digests import flat_layers

if TYPE_CHECKING:
    import keras

HALF = ("float16", "bfloat16")
# Of a retrain's few steps none may be spent on finding a scale: Keras begins at 2 ** 15, where the loss of a regression
# overflows, and each overflow costs a step.
FIRST_SCALE = 2.0**10


class Learned:
    """The trainable weights of a model, and what an optimizer moves in their place.

    Args:
        weights: Keras variables.
    """

    def __init__(self, weights: Sequence[Any]) -> None:
        import keras

        self.weights = list(weights)
        self.copies = {
            place: keras.Variable(weight.numpy().astype("float32"), dtype="float32", name=f"copy{place}")
            for place, weight in enumerate(self.weights)
            if weight.dtype in HALF
        }

    def copy(self) -> None:
        """Let the copies be what the weights are now."""
        for place, copy in self.copies.items():
            copy.assign(self.weights[place].numpy().astype("float32"))

    @property
    def moved(self) -> list[Any]:
        """What the optimizer moves: a weight, or its copy."""
        return [self.copies.get(place, weight) for place, weight in enumerate(self.weights)]

    @property
    def tensors(self) -> list[Any]:
        """The weights as a gradient tape knows them: TensorFlow's variables, which are inside those of Keras."""
        return [weight.value for weight in self.weights]

    def step(self, optimizer: keras.Optimizer, gradients: Sequence[Any]) -> None:
        """Let an optimizer take a step."""
        import keras

        moved = self.moved
        given = [
            gradient if gradient is None or not place_is_copy else keras.ops.cast(gradient, "float32")
            for gradient, place_is_copy in zip(gradients, (n in self.copies for n in range(len(moved))), strict=True)
        ]
        optimizer.apply(given, moved)
        for place, copy in self.copies.items():
            self.weights[place].assign(keras.ops.cast(copy, self.weights[place].dtype))


def scaled(optimizer: keras.Optimizer, model: keras.Model) -> keras.Optimizer:
    """The optimizer, with its loss scaled if the model computes in float16 anywhere."""
    import keras

    if all(layer.compute_dtype != "float16" for layer in flat_layers(model)):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=FIRST_SCALE)


def regularisation(model: keras.Model) -> Any:
    """The sum of what layers add to the loss."""
    import keras

    return sum(keras.ops.cast(one, "float32") for one in model.losses)
