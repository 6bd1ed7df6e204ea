"""A graph called by the thread that asks, without a hop to another one: small steps are over before that wakes up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

ALONE = "SINGLE_THREADED_EXECUTOR"  # TensorFlow's own name for it


def in_this_thread(graph: Any) -> Callable[..., NDArray[Any]]:
    """What calls a concrete function of one output; each of its operations runs after the other, in this very thread.

    TensorFlow hands the operations of a graph to a pool of threads otherwise, and takes the call itself through
    Python's description of its arguments. Both cost as much as a step of a small head does, and on a busy machine the
    threads several times that. One large operation, as the base of a burst, still uses all cores.

    Args:
        graph: a concrete function; its arguments are given in the order in which TensorFlow flattens them.
    """
    import tensorflow as tf

    config, executor = tf.compat.v1.ConfigProto(), ALONE
    if tf.config.list_physical_devices("GPU"):
        executor = ""  # copies between devices wait for each other, which one thread cannot
    config.experimental.executor_type = executor  # so that loops stay whole: this executor knows no other ones
    how = {"executor_type": executor, "config_proto": config.SerializeToString()}
    types, captured = [one.dtype for one in graph.outputs], graph.captured_inputs

    def call(*arguments: Any) -> NDArray[Any]:
        given = [*tf.nest.flatten(arguments), *captured]
        found: NDArray[Any] = tf.raw_ops.StatefulPartitionedCall(args=given, Tout=types, f=graph, **how)[0].numpy()
        return found

    return call
