"""A model that was trained elsewhere, as its file tells of it: what it takes and gives, and of which layers it is."""

from __future__ import annotations

import runpy
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import CannotAdopt, EvergreenError, UnknownLayer
from evergreen_client.model_files import REFUSED, load_model
from evergreen_client.shown import gist
from learning.graph import Graph, graph_of, has_graph, output_names
from learning.split import INPUTS, in_head, proposed_cut

if TYPE_CHECKING:
    import keras

Shape = tuple[int | None, ...]
KEPT_AS = ".keras"
LEGACY = (".h5", ".hdf5")
PASSED_THROUGH = {"Reshape", "Flatten", "Identity", "Dropout", "Squeeze", "Cast", "ActivityRegularization"}
NO_KERAS = {
    ".pb": "a SavedModel, or a graph of TensorFlow",
    ".tflite": "a model for devices, whose weights may be rounded",
    ".onnx": "an ONNX model",
    ".pt": "a PyTorch model",
    ".pth": "a PyTorch model",
    ".pkl": "a pickle, which may run any code when it is loaded",
    ".joblib": "a pickle, which may run any code when it is loaded",
}
SAVE_AGAIN = "in the program that made it, save the Keras model itself: model.save('mine.keras')"
REGISTER = (
    "name the Python file that defines it, with @keras.saving.register_keras_serializable(): --code FILE; it becomes "
    "the beginning of the model's file"
)
SAVED_MODEL = (
    "where it was trained (TensorFlow up to 2.15, or tf_keras) run tf.keras.models.load_model('{}').save('mine.h5'), "
    "and adopt mine.h5"
)


@dataclass(frozen=True)
class ModelInput:
    """One tensor that a model takes: of one row the shape, None where any length will do."""

    name: str
    shape: Shape
    dtype: str

    def __str__(self) -> str:
        shape = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name} ({shape or 'one value'}, {self.dtype})"


@dataclass(frozen=True)
class LayerLine:
    """One line of the table of layers: name, class, weights, shape of what it gives, and whether the head has it."""

    name: str
    kind: str
    weights: int
    shape: Shape
    head: bool


@dataclass(frozen=True)
class Existing:
    """What a model's file tells.

    Args:
        inputs: what it takes.
        outputs: names of what it gives.
        layers: its layers in order; one, where it hides them.
        at: the layer behind which it is cut.
        activations: the last one of each output that is kept fresh, as "sigmoid"; "" where it is hidden.
        types: the types in which its weights are kept.
    """

    inputs: tuple[ModelInput, ...]
    outputs: tuple[str, ...]
    layers: tuple[LayerLine, ...]
    at: str
    activations: tuple[str, ...]
    types: tuple[str, ...]


def keep(path: Path, kept: Path) -> None:
    """Put a model's file where it is kept: a `.keras` file byte by byte, an older one written anew.

    Raises:
        CannotAdopt: it is no model of Keras, or Keras cannot load it here; says how to save it.
    """
    if not path.exists():
        raise CannotAdopt(f"model '{path}'", "there is no such file", "name the .keras or .h5 file that Keras saved")
    if path.is_dir():
        saved = (path / "saved_model.pb").is_file()
        why = "it is a SavedModel: a graph without its layers" if saved else "it is a folder"
        raise CannotAdopt(f"model '{path}'", why, SAVED_MODEL.format(path.name) if saved else SAVE_AGAIN)
    suffix = path.suffix.lower()
    if suffix == KEPT_AS:
        shutil.copyfile(path, kept)
    elif suffix in LEGACY:
        _loaded(path).save(kept)
    else:
        raise CannotAdopt(f"model '{path}'", f"it is {NO_KERAS.get(suffix, 'no .keras or .h5 file')}", SAVE_AGAIN)


def run_code(code: Path, name: str) -> None:
    """Run the Python file that registers a model's own layers, as the beginning of models/NAME.py will be run.

    Raises:
        CannotAdopt: it cannot be run here.
    """
    try:
        runpy.run_path(str(code), run_name=f"models.{name}")
    except Exception as error:
        why = f"it cannot be run here ({gist(error)})"
        raise CannotAdopt(f"file '{code}'", why, "let it hold the imports and classes that the model needs") from error


def look(kept: Path, at: str = "", output: str | tuple[str, ...] = "") -> Existing:
    """What a kept file tells, cut behind a layer: by default where it is best cut.

    Raises:
        CannotSplit: it cannot be cut there; or it has several outputs, and none of them is named.
        CannotAdopt: Keras cannot load it, or nobody knows what it takes.
    """
    model = _loaded(kept)
    types = tuple(sorted({str(weight.dtype) for weight in model.weights}))
    if not has_graph(model) and isinstance(output, str):
        inputs = inputs_of(model)
        line = LayerLine(model.name, type(model).__name__, _weights(model), (), head=True)
        return Existing(inputs, ("output",), (line,), INPUTS, ("",), types)
    graph = graph_of(model, output)
    at = at or proposed_cut(graph)
    parts = zip(graph.steps, in_head(graph, at), strict=True)
    lines = (
        LayerLine(step.name, type(step.operation).__name__, _weights(step.operation), step.gives[0].shape[1:], head)
        for step, head in parts
    )
    each = (output,) if isinstance(output, str) else output
    activations = tuple(last_activation(graph_of(model, one)) for one in each)
    return Existing(inputs_of(model), tuple(output_names(model)), tuple(lines), at, activations, types)


def inputs_of(model: keras.Model) -> tuple[ModelInput, ...]:
    """What a model takes; of one that hides its layers, what it was built for.

    Raises:
        CannotAdopt: it was never called before it was saved.
    """
    if has_graph(model):
        return tuple(ModelInput(one.name, tuple(one.shape[1:]), str(one.dtype)) for one in model.inputs)
    shape = (model.get_build_config() or {}).get("input_shape")
    named = shape if isinstance(shape, dict) else {"input": shape}
    if not all(_is_shape(one) for one in named.values()):
        raise CannotAdopt(
            f"a {type(model).__name__}",
            "it does not say which single tensor, or which named ones, it takes",
            "call it on some rows before it is saved; let call() take one tensor, or a dict of columns",
        )
    return tuple(ModelInput(name, tuple((one or ())[1:]), "float32") for name, one in named.items())


def last_activation(graph: Graph) -> str:
    """The function by which a model ends, as "softmax" or "linear"; "" where it cannot be seen."""
    makers = {id(tensor): step for step in graph.steps for tensor in step.gives}
    tensor = graph.output
    while (step := makers.get(id(tensor))) is not None:
        operation, kind = step.operation, type(step.operation).__name__
        if has_inner := hasattr(operation, "layers") and has_graph(operation) and len(operation.outputs) == 1:
            return last_activation(graph_of(operation))
        if not has_inner and kind.lower() in {"softmax", "sigmoid"}:
            return kind.lower()
        if kind not in PASSED_THROUGH and not kind.endswith("Dropout"):
            return str(getattr(getattr(operation, "activation", None), "__name__", ""))
        tensor = step.takes[0]
    return ""


def _loaded(path: Path) -> keras.Model:
    """A model in safe mode, with a sentence for whatever Keras says."""
    import keras

    try:
        if path.suffix.lower() in LEGACY:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        return load_model(path)
    except UnknownLayer as unknown:
        raise CannotAdopt(f"model '{path.name}'", unknown.why, REGISTER) from unknown
    except EvergreenError as known:
        raise CannotAdopt(f"model '{path.name}'", known.why, known.fix) from known
    except Exception as error:
        if refused := REFUSED.search(str(error)):
            why = f"Keras does not load it: {refused[0]}, which may run code of the file's own"
            raise CannotAdopt(f"model '{path.name}'", why, "write it as a layer class, and save it again") from error
        why = f"Keras {keras.__version__} cannot load it ({gist(error)})"
        raise CannotAdopt(f"model '{path.name}'", why, SAVE_AGAIN) from error


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)


def _weights(operation: Any) -> int:
    return sum(int(weight.shape.num_elements() or 0) for weight in _values(operation))


def _values(operation: Any) -> list[Any]:
    return [weight.value for weight in getattr(operation, "weights", ())]
