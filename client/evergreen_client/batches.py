"""A model's outputs for many rows: small batches, one graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    Forward = Callable[[Any], tf.Tensor]

LAYER_BYTES = 16 * 2**20  # what the widest layer makes of a batch then stays in the processor's cache
MOST_ROWS = 2**15
BATCHES_AT_ONCE = 2  # while one of them waits for memory, another one computes
STRING_BYTES = 64


def traced(model: keras.Model) -> Forward:
    """A model's outputs in inference mode as a graph that others can be made of: to trace one takes its time."""
    import tensorflow as tf

    rows = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    forward: Forward = tf.function(lambda rows: model(rows, training=False), autograph=False)
    forward.get_concrete_function(rows)  # type: ignore[attr-defined]
    return forward


def in_batches(*models: keras.Model, signature: Any = None, first: Forward | None = None) -> Forward:
    """A function that gives the outputs of a model, or of several one after the other, in inference mode.

    It takes a tensor of rows, or a dict of such. The rows pass in batches of `rows_at_once`, all of them inside one
    graph: to leave it after each batch would cost a dense model more than its arithmetic.

    Args:
        models: the first takes such rows, each other one what the one before it gives.
        signature: shapes and types of the rows, where they are known; the graph is made once then, for any number.
        first: the graph of the first model, where it was `traced` before.
    """
    import tensorflow as tf

    size = min(map(rows_at_once, models))

    @tf.function(input_signature=signature, reduce_retracing=signature is None, autograph=False)  # type: ignore[untyped-decorator]
    def run(rows: Any) -> tf.Tensor:
        count = tf.shape(tf.nest.flatten(rows)[0])[0]
        batches = tf.maximum(1, (count + size - 1) // size)  # no rows are one batch, too

        def one_batch(place: tf.Tensor, outputs: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            output = rows_of(rows, place * size, size)
            for place_of, model in enumerate(models):
                output = first(output) if first and not place_of else model(output, training=False)
            return place + 1, outputs.write(place, tf.cast(output, "float32"))

        start = (0, tf.TensorArray("float32", size=batches, infer_shape=False))
        loop = tf.while_loop(lambda place, _: place < batches, one_batch, start, parallel_iterations=BATCHES_AT_ONCE)
        return loop[1].concat()

    forward: Forward = run
    return forward


def rows_of(inputs: Any, start: Any, count: int) -> Any:
    """The rows from `start` on, of a tensor or of every tensor in a dict."""
    import tensorflow as tf

    return tf.nest.map_structure(lambda tensor: tensor[start : start + count], inputs)


def rows_at_once(model: keras.Model) -> int:
    """How many rows to send through a model together: the fewer, the more its widest layer gives for each.

    Always a power of two, of at least one row and at most 32,768, and the same for the same model. A model that hides
    its layers in `call()` counts as narrow.
    """
    a_row = max((bytes_of(tensor) for tensor in _tensors(model)), default=1)
    fit = min(MOST_ROWS, max(1, LAYER_BYTES // a_row))
    return 1 << (fit.bit_length() - 1)


def row_bytes(model: keras.Model) -> int:
    """Memory that one row of a model's inputs and outputs takes."""
    inputs = sum(bytes_of(tensor) * (STRING_BYTES // 4 if tensor.dtype == "string" else 1) for tensor in model.inputs)
    return inputs + sum(bytes_of(tensor) for tensor in model.outputs)


def bytes_of(tensor: Any) -> int:
    """Memory that one row of a Keras tensor of numbers takes."""
    return 4 * prod(int(size or 1) for size in tensor.shape[1:])


def _tensors(model: keras.Model) -> Iterator[Any]:
    """What goes in and out of all the layers of a model, and of the models in it."""
    yield from getattr(model, "inputs", None) or ()
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _tensors(layer)
        for node in layer._inbound_nodes:  # noqa: SLF001 - `layer.output` fails where a layer is used twice
            yield from node.output_tensors
