"""Tests of graphs that are called without a hop to another thread."""

from __future__ import annotations

import threading

import numpy as np
import tensorflow as tf

from learning.objectives import Binary
from learning.online import OnlineLearner
from learning.online_call import in_this_thread
from learning.online_plan import Online
from learning.online_tables import spec_of

SPEC = spec_of(["speed", "size"], [], Binary())


def test_every_step_of_a_loop_runs_in_the_thread_that_asked() -> None:
    """Where other programs keep all cores busy, waking another thread takes longer than a step does."""
    threads, moved = set[int](), tf.Variable([0.0])

    def noted(value: np.ndarray) -> np.ndarray:
        threads.add(threading.get_ident())
        return value

    def steps(values: tf.Tensor) -> tf.Tensor:
        def one(place: tf.Tensor) -> tf.Tensor:
            moved.assign_add(tf.numpy_function(noted, [values[place : place + 1]], tf.float32))
            return place + 1

        end = tf.while_loop(lambda place: place < tf.shape(values)[0], one, [0])
        return moved.read_value() + tf.cast(end, "float32")

    graph = tf.function(steps, input_signature=[tf.TensorSpec((None,))], autograph=False).get_concrete_function()
    assert in_this_thread(graph)(np.array([1, 2, 4], "float32")).tolist() == [10.0]
    assert moved.numpy().tolist() == [7.0]
    assert threads == {threading.get_ident()}
    graph(tf.constant([1.0] * 50))
    assert len(threads) > 1  # TensorFlow's own call does hand work on: the test above can fail


def test_kept_rows_are_multiplied_as_they_lie() -> None:
    """Nobody rewrites a loop that one thread runs, and to turn a thousand rows takes as long as a step of the head."""
    learner = OnlineLearner(SPEC, None, Online(replay=8, batch=2))
    asked = tf.TensorSpec((None, learner.step.features.shape[0]), "float32")
    graph = tf.function(learner.step._remembered, input_signature=[asked], autograph=False).get_concrete_function()
    kinds = {operation.type for operation in graph.graph.get_operations()}
    assert "MatMul" in kinds
    assert not kinds & {"Transpose", "Pow", "GatherV2"}
