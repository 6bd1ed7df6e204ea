"""An existing model, cut in two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import elsewhere
import keras
import numpy as np
import pytest
from elsewhere import rows_of, saved
from keras import Input, Model, layers

from errors import CannotSplit
from learning.digests import model_digest
from learning.graph import graph_of
from learning.split import INPUTS, in_head, proposed_cut, split_at


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


def loaded(build: Callable[[], keras.Model], folder: Path, suffix: str = ".keras") -> keras.Model:
    """A model as it comes out of a file that plain Keras wrote."""
    return keras.models.load_model(saved(build, folder, suffix), compile=False)


CUTS = [
    (elsewhere.sequential, "drop", "norm"),
    (elsewhere.functional, "deep", "deep"),
    (elsewhere.nested, "backbone", "pool"),
    (elsewhere.nested_in_sequential, "backbone", "flat"),
    (elsewhere.convolution, "conv", "flat"),
    (elsewhere.lstm, "memory", "memory"),
    (elsewhere.linear, "scale", "scale"),
    (elsewhere.mobilenet, "conv_pw_13_relu", "global_average_pooling2d"),
]


@pytest.mark.parametrize(("build", "layer", "proposed"), CUTS, ids=[build.__name__ for build, *_ in CUTS])
def test_what_plain_keras_saved_is_cut_where_one_likes(
    build: Callable[[], keras.Model], layer: str, proposed: str, tmp_path: Path
) -> None:
    """Loaded from its file: head of base is the model to the last bit, there and where it is proposed."""
    model, rows = loaded(build, tmp_path), rows_of(build)
    assert proposed_cut(graph_of(model)).startswith(proposed)
    wanted = np.asarray(model(rows if len(rows) > 1 else rows[0]))
    for at in (layer, proposed_cut(graph_of(model))):
        base, head = split_at(model, at)
        columns = {tensor.name: values for tensor, values in zip(model.inputs, rows, strict=True)}
        np.testing.assert_array_equal(head(base(columns)), wanted)


def test_an_old_h5_file_is_cut_too(tmp_path: Path) -> None:
    """Keras loads both kinds of files."""
    model, [rows] = loaded(elsewhere.sequential, tmp_path, ".h5"), rows_of(elsewhere.sequential)
    base, head = split_at(model, "drop")
    np.testing.assert_array_equal(head(base({model.inputs[0].name: rows})), model(rows))


def test_both_parts_can_be_saved_and_are_the_same_model_still(tmp_path: Path) -> None:
    """Statistics of both normalisations, and dropout, go along; two cuts have the same digests."""
    path, digests = saved(elsewhere.sequential, tmp_path), []
    for _ in range(2):
        parts = split_at(keras.models.load_model(path), "norm")
        for name, part in zip(("base", "head"), parts, strict=True):
            part.save(tmp_path / f"{name}.keras")
        digests.append([model_digest(part) for part in parts])
    model, [rows] = keras.models.load_model(path), rows_of(elsewhere.sequential)
    base, head = (keras.models.load_model(tmp_path / f"{name}.keras") for name in ("base", "head"))
    np.testing.assert_array_equal(head(base({model.inputs[0].name: rows})), model(rows))
    assert digests[0] == digests[1] == [model_digest(base), model_digest(head)]
    assert [layer.name for layer in head.layers][1:] == ["drop", "hidden", "norm2", "out"]


def test_where_nothing_can_be_cut_the_whole_model_is_offered(tmp_path: Path) -> None:
    """Every layer is passed by: the proposal is to cut at the inputs, and so says the refusal."""
    model = loaded(elsewhere.skip, tmp_path)
    assert proposed_cut(graph_of(model)) == INPUTS
    with pytest.raises(CannotSplit, match=r"into join.*cut at 'inputs'"):
        split_at(model, "hidden")


def test_of_several_outputs_one_is_named(tmp_path: Path) -> None:
    """Which one is a person's choice; the refusal lists them."""
    model = loaded(elsewhere.two_outputs, tmp_path)
    with pytest.raises(CannotSplit, match=r"2 outputs.*chance, amount"):
        graph_of(model)
    graph = graph_of(model, "amount")
    assert [step.name for step in graph.needed(graph.inputs, graph.output)] == ["hidden", "amount"]


def test_the_last_layer_leaves_nothing_for_a_head(tmp_path: Path) -> None:
    """That is said, in place of an error of Keras."""
    with pytest.raises(CannotSplit, match="nothing behind it"):
        split_at(loaded(elsewhere.linear, tmp_path), "out")


def test_the_layers_of_a_head_are_told(tmp_path: Path) -> None:
    """For the table that a person sees before anything is adopted."""
    graph = graph_of(loaded(elsewhere.nested, tmp_path))
    assert dict(zip([s.name for s in graph.steps], in_head(graph, "pool"), strict=True)) == {
        "backbone": False,
        "pool": False,
        "drop": True,
        "out": True,
    }
