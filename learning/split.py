"""An existing Keras model, cut at a layer into the base and the head of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from errors import CannotSplit, did_you_mean
from learning.graph import Graph, Step, graph_of

if TYPE_CHECKING:
    import keras

INPUTS = "inputs"  # in place of a layer's name: the base passes rows through, the head is the whole model
HEAD_BLOCKS = 2  # at most, in a cut that is proposed
BELONG_TO_THE_LAYER_BEFORE = ("Normalization",)  # batch, layer and group normalisation, by the end of their names
BELONG_TO_THE_LAYER_BEHIND = ("Dropout", "GaussianNoise")  # rows must pass them while the head learns


def split_at(model: keras.Model, layer: str) -> tuple[keras.Model, keras.Model]:
    """Cut a Functional or Sequential model behind a layer; head(base(row)) is the model, sharing its weights.

    Args:
        model: one output; its inputs bear the names of the schema's columns.
        layer: name of the last layer of the base; of a model inside the model, its own name.

    Raises:
        CannotSplit: the model is no graph of layers, has no such layer, or data passes by the layer.

    Example:
        >>> from keras import Input, Sequential, layers
        >>> whole = Sequential([Input((4,), name="pixels"), layers.Dense(3, name="features"), layers.Dense(1)])
        >>> base, head = split_at(whole, "features")
        >>> base.output_shape, head.output_shape
        ((None, 3), (None, 1))
    """
    import keras

    graph = graph_of(model)
    cut = cut_of(graph, layer)
    inputs = [keras.Input(one.shape[1:], dtype=one.dtype, name=one.name) for one in graph.inputs]
    base = keras.Model({one.name: one for one in inputs}, graph.run(graph.inputs, inputs, cut), name="base")
    return base, head_behind(graph, cut)


def cut_of(graph: Graph, layer: str) -> Any:
    """The tensor that a layer gives, if the model can be cut there.

    Raises:
        CannotSplit: there is no such layer, it gives several tensors, or data passes by it.
    """
    names = [step.name for step in graph.steps]
    if layer not in names:
        fix = f"{did_you_mean(layer, names)}choose from {', '.join(dict.fromkeys(names))}"
        raise CannotSplit(f"layer '{layer}'", "the model has none of this name", fix)
    given = [step for step in graph.steps if step.name == layer][-1].gives
    if len(given) != 1:
        raise CannotSplit(f"layer '{layer}'", f"it gives {len(given)} tensors, and a head takes one", "cut behind it")
    [cut] = given
    if cut is graph.output or not graph.leads_to_output(cut):
        raise CannotSplit(f"layer '{layer}'", "nothing behind it is left for a head", "choose a layer before it")
    if crossing := graph.crossing(cut):
        raise CannotSplit(
            f"layer '{layer}'",
            f"data passes by it, into {', '.join(crossing)}",
            "cut at a layer that everything passes through, or concatenate what must pass; or, where the whole model "
            f"may learn, cut at '{INPUTS}': the base then passes rows through, and the head is the whole model",
        )
    return cut


def head_behind(graph: Graph, cut: Any) -> keras.Model:
    """All that comes behind a cut, as a model of its own."""
    import keras

    features = keras.Input(cut.shape[1:], dtype=cut.dtype, name="features")
    return keras.Model(features, graph.run([cut], [features], graph.output), name="head")


def proposed_cut(graph: Graph) -> str:
    """The layer behind which a model is best cut; INPUTS where none will do.

    The head gets the last two blocks of a Dense layer with its activation, normalisation and dropout; or the last
    layer that has weights, if that is no Dense. The base keeps at least one layer that learned, and any model inside
    the model.

    Example:
        >>> from keras import Input, Sequential, layers
        >>> dense = [layers.Dense(4, name=f"dense{place}") for place in range(4)]
        >>> proposed_cut(graph_of(Sequential([Input((4,)), *dense])))
        'dense1'
    """
    learned = [place for place, step in enumerate(graph.steps) if _begins_a_block(step)]
    if not learned:
        return INPUTS
    count = 0
    while count < HEAD_BLOCKS and count < len(learned) and _is_dense(graph.steps[learned[-1 - count]]):
        count += 1
    count = max(1, min(count, len(learned) - 1))
    first = learned[-count]
    while first and type(graph.steps[first - 1].operation).__name__.endswith(BELONG_TO_THE_LAYER_BEHIND):
        first -= 1
    before = [step for step in graph.steps[:first] if not _is_text(step)]
    return next((step.name for step in reversed(before) if _can_be_cut(graph, step)), INPUTS)


def in_head(graph: Graph, at: str) -> list[bool]:
    """Whether each step of a graph is the head's, where it is cut behind a layer."""
    if at == INPUTS:
        return [True] * len(graph.steps)
    behind = {id(step) for step in graph.needed([cut_of(graph, at)], graph.output)}
    return [id(step) in behind for step in graph.steps]


def as_graph(model: keras.Model) -> keras.Model:
    """A Sequential model as the same layers that take a column by its name; any other model as it is."""
    import keras

    if not isinstance(model, keras.Sequential):
        return model
    return keras.Model({tensor.name: tensor for tensor in model.inputs}, model.outputs[0], name=model.name)


def _begins_a_block(step: Step) -> bool:
    """Whether a layer has weights that learned; those of a normalisation belong to the layer before."""
    name = type(step.operation).__name__
    return bool(getattr(step.operation, "trainable_weights", ())) and not name.endswith(BELONG_TO_THE_LAYER_BEFORE)


def _is_dense(step: Step) -> bool:
    return "Dense" in type(step.operation).__name__


def _is_text(step: Step) -> bool:
    return any(tensor.dtype == "string" for tensor in step.gives)


def _can_be_cut(graph: Graph, step: Step) -> bool:
    """Whether a head can begin behind a step."""
    try:
        cut_of(graph, step.name)
    except CannotSplit:
        return False
    return True
