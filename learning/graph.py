"""The graph of a Keras model as its calls of layers, one after the other; any part of it can be run again.

`layer.output` is what a layer gave when it was called first. A model that was loaded, or that contains another model,
has called its layers more than once, so that a graph made of such tensors leads nowhere. Here the calls are recorded
while the model is built once more, from the same layers: only public functions of Keras are needed for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from errors import CannotSplit
from learning.multi_output import refuse_names

if TYPE_CHECKING:
    import keras

    from learning.multi_output import MultiOutput


Tensor = Any  # a keras.KerasTensor: what a layer will give, known by its shape and type


@dataclass(frozen=True)
class Step:
    """One call of a layer or an operation: with what, and the tensors that it gave."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    gives: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.operation.name)

    @property
    def takes(self) -> list[Tensor]:
        """The tensors among its arguments."""
        return _tensors([self.args, self.kwargs])


@dataclass(frozen=True)
class Graph:
    """The calls by which a model makes its output of its inputs, each after those that it needs."""

    inputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    output: Tensor

    def needed(self, known: Iterable[Tensor], wanted: Tensor) -> list[Step]:
        """The steps that make a tensor of what is known, as far as it does not come from the inputs themselves."""
        stop, open_tensors, found = {id(tensor) for tensor in known}, [wanted], set[int]()
        makers = {id(tensor): step for step in self.steps for tensor in step.gives}
        while open_tensors:
            tensor = open_tensors.pop()
            maker = makers.get(id(tensor))
            if id(tensor) not in stop and maker is not None and id(maker) not in found:
                found.add(id(maker))
                open_tensors += maker.takes
        return [step for step in self.steps if id(step) in found]

    def run(self, known: Sequence[Tensor], values: Sequence[Any], wanted: Tensor) -> Any:
        """What a tensor becomes when others have these values; each layer is called once more."""
        import keras

        now = {id(tensor): value for tensor, value in zip(known, values, strict=True)}

        def replaced(value: Any) -> Any:
            return now[id(value)] if isinstance(value, keras.KerasTensor) else value

        for step in self.needed(known, wanted):
            args, kwargs = keras.tree.map_structure(replaced, (step.args, dict(step.kwargs)))
            given = keras.tree.flatten(step.operation(*args, **kwargs))
            now |= {id(tensor): value for tensor, value in zip(step.gives, given, strict=True)}
        return now[id(wanted)]

    def leads_to_output(self, tensor: Tensor) -> bool:
        """Whether the output is made of a tensor."""
        return any(tensor is taken for step in self.needed([tensor], self.output) for taken in step.takes)

    def crossing(self, cut: Tensor) -> list[str]:
        """Steps behind a cut that take something which does not come from it: it would be lost."""
        behind, crossing = {id(cut)}, []
        for step in self.needed([cut], self.output):
            from_cut = [id(tensor) in behind for tensor in step.takes]
            if any(from_cut):
                behind |= {id(tensor) for tensor in step.gives}
                crossing += [] if all(from_cut) else [step.name]
        return crossing


def graph_of(model: keras.Model, output: str | tuple[str, ...] = "") -> Graph:
    """The graph of a Functional or Sequential model.

    Args:
        model: it shares its layers with the graph.
        output: name of one of its outputs, where it has several; or the names of some, which stand beside each other
            in the graph's one output.

    Raises:
        CannotSplit: the model is no graph of layers, or it is not clear which output is meant.
    """
    import keras

    steps: list[Step] = []

    def record(operation: Any, *args: Any, **kwargs: Any) -> Any:
        given = operation(*args, **kwargs)
        steps.append(Step(operation, args, kwargs, tuple(keras.tree.flatten(given))))
        return given

    if not has_graph(model):
        raise CannotSplit(
            f"a {type(model).__name__}", "its graph is hidden in call()", "build it with the Functional API"
        )
    if isinstance(model, keras.Sequential):
        [first] = model.inputs
        inputs = [keras.Input(batch_shape=first.shape, dtype=first.dtype, name=first.name)]
        last = inputs[0]
        for layer in model.layers:
            last = record(layer, last)
        names, outputs = ["output"], [last]
    else:
        again = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=record)
        inputs, names, outputs = again.inputs, output_names(model), again.outputs
    if isinstance(output, str):
        found = _one_of(names, outputs, output)
    else:
        found = record(beside(), [_one_of(names, outputs, name) for name in output])
    return Graph(tuple(inputs), tuple(steps), found)


def beside() -> keras.layers.Layer:
    """A layer that puts several outputs beside each other, in single precision."""
    import keras

    return keras.layers.Concatenate(name="outputs", dtype="float32")


def joined(head: keras.Model, objective: MultiOutput) -> keras.Model:
    """A head of several outputs as one of all of them, in the order of the objective; one of a single output as it is.

    Raises:
        InvalidSpec: it has others than the objective names.
    """
    import keras

    if not has_graph(head) or len(head.outputs) == 1:
        return head
    names = output_names(head)
    refuse_names(tuple(names), objective)
    parts = dict(zip(names, head.outputs, strict=True))
    output = beside()([parts[name] for name in objective.output_names])
    return keras.Model(head.input, output, name=head.name)


def has_graph(model: keras.Model) -> bool:
    """Whether a model is made of layers that can be seen; a subclass with a call() of its own is not."""
    import keras

    return bool(model.inputs) if isinstance(model, keras.Sequential) else hasattr(model, "operations")


def output_names(model: keras.Model) -> list[str]:
    """The names of a model's outputs: those it gives them, or else those of the layers that they come from."""
    given = getattr(model, "output", None)
    if isinstance(given, dict):
        return sorted(given)  # in which order Keras lists them, too
    return list(getattr(model, "output_names", None) or ["output"])


def _one_of(names: Sequence[str], outputs: Sequence[Tensor], wanted: str) -> Tensor:
    """The output that is meant."""
    if len(outputs) == 1 and wanted in {"", names[0]}:
        return outputs[0]
    if names.count(wanted) != 1:
        received = f"output '{wanted}'" if wanted else f"{len(outputs)} outputs"
        why = "the model has none of this name" if wanted else "a head has one"
        several = "; `evergreen adopt` takes several, as --output NAME=COLUMN" if len(outputs) > 1 else ""
        raise CannotSplit(received, why, f"name the one that is to be kept fresh: {', '.join(names)}{several}")
    return outputs[list(names).index(wanted)]


def _tensors(structure: Any) -> list[Tensor]:
    import keras

    return [value for value in keras.tree.flatten(structure) if isinstance(value, keras.KerasTensor)]
