"""A look-up gets more words, and whatever the model said of rows of known words it still says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from errors import CannotReadapt
from learning.growing import grown

if TYPE_CHECKING:
    import keras

ROWS = {"number": np.array([[0.5], [-1.0], [2.0]], "float32"), "word": np.array([["x"], ["y"], ["never"]], object)}


def two_parts(behind: Any, mode: str = "int") -> tuple[keras.Model, keras.Model]:
    """A base of a number and a word, and a head; `behind` makes of the looked-up word what follows."""
    from keras import Input, Model, Sequential, layers

    inputs = {"number": Input((1,), name="number"), "word": Input((1,), name="word", dtype="string")}
    lookup = layers.StringLookup(vocabulary=["x", "y"], output_mode=mode, name="lookup")
    parts = layers.Concatenate()([behind(lookup(inputs["word"])), inputs["number"]])
    base = Model(inputs, parts)
    head = Sequential([Input(base.output_shape[1:]), layers.Dense(2, kernel_initializer="random_normal")])
    return base, head


def said(base: keras.Model, head: keras.Model) -> np.ndarray:
    """What both say of the rows."""
    import tensorflow as tf

    return np.asarray(head(base({name: tf.constant(values) for name, values in ROWS.items()})))


def embedded(codes: Any) -> Any:
    """Each code's own two numbers."""
    from keras import layers

    return layers.Flatten()(layers.Embedding(3, 2, name="embedding")(codes))


def test_an_embedding_gets_a_row_that_is_the_mean_of_the_others() -> None:
    """The rows that it had stay where they were."""
    base, head = two_parts(embedded)
    before, rows = said(base, head), base.get_layer("embedding").get_weights()[0]
    larger, same = grown(base, head, {"lookup": ["z", "w"]})
    assert same is head
    np.testing.assert_array_equal(said(larger, head), before)
    found = larger.get_layer("embedding").get_weights()[0]
    np.testing.assert_array_equal(found[:3], rows)
    np.testing.assert_allclose(found[3:], np.tile(rows.mean(axis=0), (2, 1)), rtol=1e-6)
    assert larger.get_layer("lookup").get_vocabulary() == ["[UNK]", "x", "y", "z", "w"]


def dense_behind(marks: Any) -> Any:
    """Marks through a layer with weights of its own, and statistics."""
    from keras import layers

    return layers.Dense(3, name="dense")(layers.BatchNormalization(name="norm")(layers.Dropout(0.5)(marks)))


@pytest.mark.parametrize(
    ("behind", "head_grows"), [(dense_behind, False), (lambda marks: marks, True)], ids=["a layer", "the head"]
)
@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_marks_of_words_get_rows_of_zeros_behind_them(behind: Any, head_grows: bool, mode: str) -> None:
    """In the layer that takes them; where the base gives them as features, that is the head's first one."""
    base, head = two_parts(behind, mode)
    before = said(base, head)
    larger, wider = grown(base, head, {"lookup": ["z"]})
    assert (wider.input_shape != head.input_shape) == head_grows
    np.testing.assert_allclose(said(larger, wider), before, rtol=1e-6)
    ROWS["word"][2] = "z"
    try:
        assert np.isfinite(said(larger, wider)).all()
    finally:
        ROWS["word"][2] = "never"


def test_codes_that_are_marked_by_a_layer_of_their_own_grow_too() -> None:
    """CategoryEncoding marks what a look-up counts."""
    from keras import layers

    base, head = two_parts(layers.CategoryEncoding(3, "one_hot", name="marks"))
    before = said(base, head)
    larger, wider = grown(base, head, {"lookup": ["z"]})
    assert larger.get_layer("marks").num_tokens == 4
    np.testing.assert_allclose(said(larger, wider), before, rtol=1e-6)


def test_what_cannot_grow_is_named() -> None:
    """A sentence with the layer and the ways; nothing is guessed."""
    from keras import layers

    base, head = two_parts(layers.LayerNormalization(name="across"), "one_hot")
    with pytest.raises(CannotReadapt, match=r"layer 'across' \(LayerNormalization\).*--from-scratch"):
        grown(base, head, {"lookup": ["z"]})
    assert grown(base, head, {})[1] is head
