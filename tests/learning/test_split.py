"""An existing model, cut in two."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import Input, Model, layers

from errors import CannotSplit
from learning.split import split_at


def functional(*, skip: bool) -> keras.Model:
    """A small graph; with `skip`, data passes by the layer named cut."""
    a, b = Input((2,), name="a"), Input((1,), name="b")
    hidden = layers.Dense(3, name="hidden")(layers.Concatenate(name="rows")([a, b]))
    cut = layers.Dense(2, name="cut")(hidden)
    last = layers.Concatenate(name="join")([cut, hidden]) if skip else cut
    return Model([a, b], layers.Dense(1, name="out")(last))


def test_head_of_base_is_the_model() -> None:
    """The halves share the model's layers and give the same predictions."""
    model = functional(skip=False)
    base, head = split_at(model, "cut")
    rows = {"a": np.ones((4, 2), "float32"), "b": np.ones((4, 1), "float32")}
    np.testing.assert_array_equal(head(base(rows)), model([rows["a"], rows["b"]]))


def test_a_sequential_model_is_cut_too() -> None:
    """Its input becomes the column of the same name."""
    model = keras.Sequential([Input((2,), name="a"), layers.Dense(3, name="cut"), layers.Dense(1)])
    base, head = split_at(model, "cut")
    rows = np.ones((4, 2), "float32")
    np.testing.assert_array_equal(head(base({"a": rows})), model(rows))


def test_where_data_passes_by_the_crossing_layer_is_named() -> None:
    """A graph that cannot be cut there is refused, with the layer that would lose its input."""
    with pytest.raises(CannotSplit, match="join"):
        split_at(functional(skip=True), "cut")


@pytest.mark.parametrize(("layer", "why"), [("cutt", "choose from"), ("out2", "none of this name")])
def test_an_unknown_layer_is_refused_with_the_known_ones(layer: str, why: str) -> None:
    """The message lists what there is."""
    with pytest.raises(CannotSplit, match=why):
        split_at(functional(skip=False), layer)


def test_a_subclassed_model_is_refused() -> None:
    """Its graph is hidden in call()."""

    class Hidden(keras.Model):
        """A model with no graph to see."""

    with pytest.raises(CannotSplit, match="Functional API"):
        split_at(Hidden(), "cut")
