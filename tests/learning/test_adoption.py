"""Models that were trained elsewhere, as base and head that take columns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import elsewhere
import keras
import numpy as np
import pytest
from elsewhere import saved
from keras import Input, Model, Sequential, layers

from errors import CannotAdopt, CannotSplit
from learning.adoption import Adopted
from learning.existing import keep, look, run_code
from learning.objectives import Binary
from learning.schema import Schema
from learning.split import INPUTS

DRAW = np.random.default_rng(5)


def schema(**inputs: Any) -> Schema:
    """A schema with these inputs."""
    return Schema(time="at", key=("id",), target="y", **inputs)


def rows(known: Schema, count: int = 5) -> dict[str, np.ndarray]:
    """Rows as a base takes them."""
    numbers = {name: DRAW.integers(0, 3, (count, 1)).astype("float32") for name in known.numeric}
    words = {name: np.array([["x"], ["y"], [""], ["x"], ["z"]], "object") for name in known.categorical}
    shapes = known.tensors.items()
    return numbers | words | {name: DRAW.normal(size=(count, *shape)).astype("float32") for name, shape in shapes}


def refuse_others(adopted: Adopted, folder: Path) -> None:
    """Base and head, saved and loaded again, give the very answers of the saved model."""
    parts = []
    for name, part in (("base", adopted.base()), ("head", adopted.head())):
        part.save(folder / f"{name}.keras")
        parts.append(keras.models.load_model(folder / f"{name}.keras"))
    columns = rows(adopted.schema)
    given = {
        name: keras.ops.convert_to_tensor(v) if v.dtype != object else v.astype(str) for name, v in columns.items()
    }
    np.testing.assert_array_equal(np.asarray(parts[1](parts[0](given))), adopted.answers(columns))


def embedded() -> Model:
    """A number that is looked up, as an integer, and one that is measured."""
    code, size = Input((1,), name="code", dtype="int32"), Input((1,), name="size")
    found = layers.Flatten()(layers.Embedding(3, 2, name="table")(code))
    both = layers.Concatenate(name="both")([found, size])
    return Model({"size": size, "code": code}, layers.Dense(1, "sigmoid", name="out")(both))


def text() -> Model:
    """A word that is looked up; a row is one value, no list."""
    word = Input((), name="word", dtype="string")
    number = layers.StringLookup(vocabulary=["x", "y"], output_mode="one_hot", name="lookup")(word)
    return Model(word, layers.Dense(1, "sigmoid", name="out")(layers.Dense(2, name="deep")(number)))


@keras.saving.register_keras_serializable(package="elsewhere")
class Hidden(keras.Model):
    """A model that hides its layers in call()."""

    def __init__(self, width: int = 4, **more: Any) -> None:
        super().__init__(**more)
        self.width, self.deep, self.out = width, layers.Dense(width, "relu"), layers.Dense(1, "sigmoid")

    def call(self, inputs: Any) -> Any:
        """Two layers."""
        return self.out(self.deep(inputs))

    def get_config(self) -> dict[str, Any]:
        """What it was built with."""
        return {**super().get_config(), "width": self.width}


def hidden() -> Model:
    """It is built by being called."""
    model = Hidden()
    model(np.zeros((1, 3), "float32"))
    return model


THREE = {"numeric": ("a", "b", "c")}
IN_ORDER = ("a", "b", "c")
KINDS: list[tuple[Callable[[], Model], dict[str, Any], str, str | tuple[str, ...]]] = [
    (elsewhere.sequential, THREE, "norm", ""),
    (elsewhere.sequential, THREE, INPUTS, ""),
    (elsewhere.skip, THREE, INPUTS, ""),
    (hidden, THREE, INPUTS, ""),
    (elsewhere.functional, {"numeric": ("b",), "tensors": {"a": (2,)}}, "deep", ""),
    (elsewhere.functional, {"numeric": ("b",), "tensors": {"a": (2,)}}, INPUTS, ""),
    (elsewhere.nested, {"tensors": {"pixels": (8, 8, 1)}}, "backbone", ""),
    (elsewhere.nested, {"tensors": {"pixels": (8, 8, 1)}}, INPUTS, ""),
    (elsewhere.lstm, {"tensors": {"steps": (5, 2)}}, "memory", ""),
    (elsewhere.two_outputs, THREE, "hidden", "amount"),
    (elsewhere.two_outputs, THREE, "hidden", ("amount", "chance")),
    (elsewhere.two_outputs, THREE, INPUTS, ("chance", "amount")),
    (embedded, {"numeric": ("size", "code")}, "both", ""),
    (embedded, {"numeric": ("size", "code")}, INPUTS, ""),
    (text, {"categorical": ("word",)}, "deep", ""),
]


@pytest.mark.parametrize(("build", "inputs", "at", "output"), KINDS)
def test_what_was_trained_elsewhere_answers_as_before(
    build: Callable[[], Model], inputs: dict[str, Any], at: str, output: str | tuple[str, ...], tmp_path: Path
) -> None:
    """To the last bit: from named columns, through the two files, wherever it is cut."""
    path = saved(build, tmp_path)
    [first, *others] = look(path, at, output).inputs
    filled = {} if others or first.name in {"pixels", "steps", "word"} else {first.name: IN_ORDER}
    refuse_others(Adopted(path, schema(**inputs), at, filled, output), tmp_path)


@pytest.mark.parametrize(
    ("build", "why"), [(hidden, r"hidden in call\(\)"), (elsewhere.sequential, "output 'chance': the model has none")]
)
def test_a_model_without_the_outputs_that_are_named_is_refused(
    build: Callable[[], Model], why: str, tmp_path: Path
) -> None:
    """Also one that hides its layers, and one that has one output only."""
    with pytest.raises(CannotSplit, match=why):
        look(saved(build, tmp_path), output=("chance", "amount"))


def test_text_cannot_pass_a_base_as_it_is(tmp_path: Path) -> None:
    """Features are numbers, and the refusal says where to cut."""
    adopted = Adopted(saved(text, tmp_path), schema(categorical=("word",)))
    with pytest.raises(CannotAdopt, match=r"text.*--at LAYER"):
        adopted.base()


@pytest.mark.parametrize(
    ("name", "why"),
    [("model.pt", "PyTorch"), ("model.pkl", "pickle"), ("gone.keras", "no such file"), ("folder", r"mine\.h5")],
)
def test_what_is_no_keras_model_is_refused_with_the_way_out(name: str, why: str, tmp_path: Path) -> None:
    """A SavedModel has lost its layers; the sentence says how to save it again."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "saved_model.pb").touch()
    for file in ("model.pt", "model.pkl"):
        (tmp_path / file).touch()
    with pytest.raises(CannotAdopt, match=why):
        keep(tmp_path / name, tmp_path / "kept.keras")


def test_a_lambda_in_an_old_file_runs_no_code(tmp_path: Path) -> None:
    """Safe mode holds for .h5 files as well."""
    path = tmp_path / "mine.h5"
    Sequential([Input((3,)), layers.Lambda(lambda x: x + 1)]).save(path)
    with pytest.raises(CannotAdopt, match=r"(?i)lambda"):
        keep(path, tmp_path / "kept.keras")


def test_an_old_file_is_kept_as_a_new_one(tmp_path: Path) -> None:
    """An .h5 file becomes a .keras file with the same answers."""
    kept = tmp_path / "kept.keras"
    keep(saved(elsewhere.sequential, tmp_path, ".h5"), kept)
    name = look(kept).inputs[0].name
    refuse_others(Adopted(kept, schema(**THREE), "drop", {name: IN_ORDER}), tmp_path)


def test_what_a_file_tells_is_shown_before_anything_is_written(tmp_path: Path) -> None:
    """Inputs, the layers on both sides of the proposed cut, and the last activation."""
    found = look(saved(elsewhere.nested, tmp_path))
    assert [(line.name, line.head) for line in found.layers] == [
        ("backbone", False),
        ("pool", False),
        ("drop", True),
        ("out", True),
    ]
    assert str(found.inputs[0]) == "pixels (8, 8, 1, float32)"
    assert (found.at, found.activations) == ("pool", ("softmax",))
    assert look(saved(elsewhere.mobilenet, tmp_path)).activations == ("softmax",)
    assert look(saved(elsewhere.lstm, tmp_path)).activations == ("linear",)
    assert look(saved(hidden, tmp_path)).at == INPUTS


def test_one_of_several_outputs_has_to_be_named(tmp_path: Path) -> None:
    """And the others are listed."""
    with pytest.raises(CannotSplit, match="chance, amount"):
        look(saved(elsewhere.two_outputs, tmp_path))
    assert look(saved(elsewhere.two_outputs, tmp_path), output="chance").activations == ("sigmoid",)
    both = look(saved(elsewhere.two_outputs, tmp_path), output=("amount", "chance"))
    assert (both.activations, both.at) == (("linear", "sigmoid"), "hidden")


CODE = """
import keras

@keras.saving.register_keras_serializable(package="shop")
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs
"""


def test_layers_of_ones_own_come_from_a_file(tmp_path: Path) -> None:
    """Without it the refusal names the option; a file that cannot be run is refused, too."""
    (tmp_path / "mine.py").write_text(CODE)
    path, known = tmp_path / "doubled.keras", dict(keras.saving.get_custom_objects())
    run_code(tmp_path / "mine.py", "shop")
    doubled = keras.saving.get_registered_object("shop>Doubled")()
    Sequential([Input((3,), name="x"), doubled, layers.Dense(1, name="out")]).save(path)
    assert [line.name for line in look(path).layers if line.head] == ["out"]
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(known)
    with pytest.raises(CannotAdopt, match=r"Doubled.*--code FILE"):
        look(path)
    (tmp_path / "mine.py").write_text("import shop_layers")
    with pytest.raises(CannotAdopt, match=r"cannot be run here \((?!(\w+): \1)"):
        run_code(tmp_path / "mine.py", "shop")


def test_who_was_never_called_cannot_say_what_it_takes(tmp_path: Path) -> None:
    """A subclass is known by what it was built for."""
    path = tmp_path / "hidden.keras"
    with warnings.catch_warnings(action="ignore"):
        Hidden().save(path)
    with pytest.raises(CannotAdopt, match="call it on some rows"):
        look(path)


@pytest.mark.parametrize("rows_have_nulls", [False, True])
@pytest.mark.parametrize("imputes", [False, True])
def test_what_a_model_cannot_do_without_is_known_also_where_no_row_shows_it(
    tmp_path: Path, *, imputes: bool, rows_have_nulls: bool
) -> None:
    """A null is tried in each column that may have one: the first rows of a large file seldom have all of its gaps."""
    size, price = Input((1,), name="size"), Input((1,), name="price")
    both = layers.Concatenate(name="both")(
        [keras.ops.nan_to_num(size), keras.ops.nan_to_num(price) if imputes else price]
    )
    model = Model({"size": size, "price": price}, layers.Dense(1, "sigmoid", name="out")(layers.Dense(4, "relu")(both)))
    model.save(tmp_path / "mine.keras")
    known = schema(numeric=("size", "price"), nullable=("size", "price"))
    columns = rows(known)
    if rows_have_nulls:
        columns["size"][1], columns["price"][2] = np.nan, np.nan
    adopted = Adopted(tmp_path / "mine.keras", known, "both")
    assert adopted.not_imputed(Binary(), columns) == ([] if imputes else ["price"])


@pytest.mark.parametrize("content", ["a lambda", "no model"])
def test_a_file_that_is_not_loaded_is_named_as_its_owner_calls_it(content: str, tmp_path: Path) -> None:
    """Whatever the reason, and not as a file in a folder that is gone by then."""
    path = tmp_path / "mine.keras"
    path.write_text(content)
    if content == "a lambda":
        Sequential([Input((3,)), layers.Lambda(lambda x: x + 1)]).save(path)
    with pytest.raises(CannotAdopt, match=r"^model 'mine\.keras'"):
        look(path)
