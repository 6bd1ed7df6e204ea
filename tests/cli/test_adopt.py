"""`evergreen adopt`: how a saved model and a file of rows fit, and what is refused before anything is written."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest

from cli.adopt import instant_after
from cli.drafting.fitting import fit, objective_of, of_words
from cli.drafting.outputs import Fresh, asked_outputs, even_weight, kinds_of, refuse_unknown, with_objectives
from cli.drafting.source import AdoptedModel, adopted_source, objective_source
from cli.landing import divided, landed
from errors import CannotAdopt, InvalidSpec
from learning.adoption import Adopted, adopted_in
from learning.catalog import load_spec
from learning.existing import ModelInput
from learning.spec import Binary, MultiOutput, Output, Regression
from learning.split import INPUTS

COUNT = 6
DAYS = [f"2026-01-0{day}" for day in range(1, COUNT + 1)]


def table(**columns: Any) -> pl.DataFrame:
    """Rows with a time, an identifier, a label and these."""
    times = pl.Series(DAYS).str.to_datetime(time_zone="UTC")
    label = [0, 1, 0, 1, 1, 0]
    return pl.DataFrame({"at": times, "order_id": list(range(COUNT)), **columns, "late": label})


NUMBERS = {"size": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "gold": [True, False] * 3, "one": [7] * COUNT}
WORDS = {"city": ["A", "B"] * 3}
NAMES = {"time": "at", "target": "late", "key": ("order_id",)}


def test_one_vector_is_filled_by_all_numbers_in_the_order_of_the_file() -> None:
    """Also those that never vary, and yes and no: the model was trained on them. The order is a doubt."""
    found = fit(table(**NUMBERS, **WORDS), [ModelInput("x", (3,), "float32")], **NAMES)
    assert found.inputs == {"x": ("size", "gold", "one")}
    assert found.schema.numeric == ("size", "gold", "one")
    assert found.ignored == ("city",)
    assert any("is training's the same?" in doubt for doubt in found.doubts)


def test_columns_of_the_inputs_names_fill_them_whatever_else_there_is() -> None:
    """Words where the model takes text, numbers elsewhere."""
    wanted = [ModelInput("city", (1,), "string"), ModelInput("size", (1,), "float32")]
    found = fit(table(**NUMBERS, **WORDS), wanted, **NAMES)
    assert (found.schema.numeric, found.schema.categorical, found.inputs) == (("size",), ("city",), {})


def test_a_list_column_fills_a_tensor_by_its_shape() -> None:
    """Of any name where there is only one; nested lists tell how long a sequence of any length is."""
    flat, steps = [[0.0] * 4] * COUNT, [[[0.0, 1.0]] * 3] * COUNT
    found = fit(table(pixels=flat), [ModelInput("input", (2, 2, 1), "float32")], **NAMES)
    assert (found.schema.tensors, found.inputs) == ({"pixels": (2, 2, 1)}, {"input": ("pixels",)})
    found = fit(table(steps=steps), [ModelInput("steps", (None, 2), "float32")], **NAMES)
    assert found.schema.tensors == {"steps": (3, 2)}


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ([ModelInput("x", (5,), "float32")], r"takes x \(5, float32\).*3 columns hold numbers: size, gold, one"),
        ([ModelInput("a", (1,), "float32"), ModelInput("size", (1,), "float32")], "no column is called 'a'"),
        ([ModelInput("city", (1,), "float32")], "'city' holds no numbers"),
        ([ModelInput("word", (1,), "string"), ModelInput("size", (1,), "float32")], "no column is called 'word'"),
    ],
)
def test_what_does_not_fit_is_refused_and_names_both_sides(wanted: list[ModelInput], why: str) -> None:
    """The inputs with their shapes, and the columns there are."""
    with pytest.raises(CannotAdopt, match=why):
        fit(table(**NUMBERS, **WORDS), wanted, **NAMES)


def test_a_key_of_all_that_a_row_holds_hides_no_columns() -> None:
    """Rows without a number of their own: the refusal counts their measures."""
    rows = pl.DataFrame({"long": [1.5, 1.5, 2.5], "wide": [0.5, 0.7, 0.5], "y": [0, 1, 0]})
    with pytest.raises(CannotAdopt, match="2 columns hold numbers: long, wide"):
        fit(rows, [ModelInput("x", (5,), "float32")], time="", target="y", key=())


def test_a_target_of_words_is_numbered_by_the_alphabet_or_by_what_the_model_says() -> None:
    """Of two words the model's answers tell the event; of several, how often it is right is shown."""
    found = fit(table(**WORDS), [ModelInput("order_id", (1,), "float32")], time="at", target="city", key=("order_id",))
    numbered = found.numbered(table(**WORDS))["city"].to_numpy()
    assert (found.classes, numbered.tolist()) == (("A", "B"), [0, 1, 0, 1, 0, 1])
    likely_a = np.where(numbered == 0, 0.9, 0.2)[:, None]
    objective, doubts = of_words("Binary()", found.classes, likely_a, numbered)
    assert objective == 'Binary(classes=("B", "A"))'
    assert doubts == ("classes: B, A in this order makes the model right on 100%",)
    assert of_words("Multiclass(2)", found.classes, np.eye(2)[[0, 1]], np.array([0.0, 1.0]))[0].startswith("Multiclass")
    with pytest.raises(CannotAdopt, match="a target of 2 words: the model gives 3 chances"):
        of_words("Multiclass(3)", found.classes, CLASSES, np.array([0.0, 1.0]))


def test_a_target_of_words_that_never_come_again_is_refused() -> None:
    """Names are no classes."""
    words = {"city": list("ABCDEF")}
    with pytest.raises(CannotAdopt, match="target 'city': it holds neither numbers, nor words that come again"):
        fit(table(**words), [ModelInput("order_id", (1,), "float32")], time="at", target="city", key=("order_id",))


CLASSES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])


@pytest.mark.parametrize(
    ("activation", "said", "target", "objective"),
    [
        ("sigmoid", [[0.2], [0.9]], [0, 1], "Binary()"),
        ("", [[0.2], [0.9]], [0, 1], "Binary()"),
        ("linear", [[3.0], [-9.0]], [12.5, -3], "Regression()"),
        ("linear", [[0.2], [0.9]], [0, 1], "Regression()"),
        ("softmax", CLASSES, [2, 0], "Multiclass(3)"),
    ],
)
def test_the_objective_follows_from_answers_and_targets(
    activation: str, said: Any, target: list[float], objective: str
) -> None:
    """The last activation, the width, and the values decide together."""
    assert objective_of(activation, np.array(said), np.array(target, "float64"))[0] == objective


@pytest.mark.parametrize(
    ("said", "target", "way_out"),
    [
        ([[3.0], [-9.0]], [0, 1], "Activation.'sigmoid'"),
        ([[3.0, -1.0], [-9.0, 2.0]], [0, 1], "Activation.'softmax'"),
        (CLASSES, [1, 3], "numbers of the classes"),
        (CLASSES, [0.5, 1.5], "numbers of the classes"),
        ([[[1.0]], [[2.0]]], [1, 2], "an output that gives such"),
    ],
)
def test_logits_and_other_outputs_are_refused_with_the_way_out(said: Any, target: list[float], way_out: str) -> None:
    """The line to paste, where there is one."""
    with pytest.raises(CannotAdopt, match=way_out):
        objective_of("linear", np.array(said), np.array(target, "float64"))


@pytest.mark.parametrize("name", ["card-fraud", "orders"])
def test_the_file_that_is_written_defines_the_model(name: str, tmp_path: Path) -> None:
    """Whatever a column or a file is called, with the code of its own layers first."""
    columns = {'si"ze': [1.0] * COUNT, "a\\b": [2.0] * COUNT}
    found = fit(table(**columns), [ModelInput("x", (2,), "float32")], **NAMES)
    code = "from __future__ import annotations\n\nimport math\n\nHALF = math.sqrt(0.25)\n"
    (tmp_path / f"{name}.py").write_text(
        adopted_source(AdoptedModel(name, 'my "best"\\x.keras', found, "Binary()", "inputs", code=code))
    )
    spec = load_spec(name, [tmp_path])
    assert spec.schema.numeric == ('si"ze', "a\\b")


def test_the_file_of_several_outputs_names_each_with_its_column(tmp_path: Path) -> None:
    """One place says the order: a head whose outputs stand otherwise is refused when version 1 is made."""
    found = fit(table(size=[1.0] * COUNT), [ModelInput("x", (1,), "float32")], **NAMES)
    fresh = (Fresh("out", "late", "Binary()", 1.4), Fresh("sum", 'p"ay', "Regression()", 0.00012))
    text = objective_source(fresh)
    model = AdoptedModel("orders", "x.keras", found, text, "inputs", ("out", "sum"), kinds=kinds_of(fresh))
    (tmp_path / "orders.py").write_text(adopted_source(model))
    spec = load_spec("orders", [tmp_path])
    assert spec.schema.targets == ("late", 'p"ay')
    assert spec.objective == MultiOutput(
        (Output("out", Binary(), "late", 1.4), Output("sum", Regression(), 'p"ay', 0.00012))
    )
    assert adopted_in(spec).output == ("out", "sum")
    turned = adopted_source(model).replace('("out", "sum")', '("sum", "out")').replace('"orders"', '"turned"')
    (tmp_path / "turned.py").write_text(turned)
    with pytest.raises(InvalidSpec, match=r"Adopted\(output=\('sum', 'out'\)\): the objective is of \('out', 'sum'\)"):
        adopted_in(load_spec("turned", [tmp_path]))


@pytest.mark.parametrize(
    ("given", "target", "why"),
    [
        (["out", "sum=pay"], "", "--output out beside others: each of several has a label of its own"),
        (["out=late", "sum=pay"], "late", "--target late beside --output OUTPUT=COLUMN"),
        (["out=late", "out=pay"], "", "--output out, twice: each output has one label"),
        (["=late", "sum=pay"], "", "--output '=late': it names no output.*write --output OUTPUT=late"),
        (["=late"], "", "--output '=late': it names no output"),
        ([""], "late", "--output '': it names no output.*write --output OUTPUT=COLUMN"),
    ],
)
def test_outputs_without_a_column_are_refused(given: list[str], target: str, why: str) -> None:
    """And a column that is named twice."""
    with pytest.raises(CannotAdopt, match=why):
        asked_outputs(given, target)


def test_outputs_of_no_column_or_of_one_column_are_refused() -> None:
    """With the columns there are."""
    with pytest.raises(CannotAdopt, match=r"target 'pay' of output 'sum': there is no such column.*choose from at,"):
        refuse_unknown(asked_outputs(["out=late", "sum=pay"], ""), table())
    with pytest.raises(CannotAdopt, match="two outputs have the same column"):
        refuse_unknown(asked_outputs(["out=late", "sum=late"], ""), table())


@pytest.mark.parametrize(
    ("objective", "target", "weight"),
    [
        ("Regression()", [0.0, 40.0], 0.0025),
        ('Regression(loss="mean_absolute_error")', [0.0, 40.0], 0.05),
        ("Binary()", [0.0, 1.0], 1.4),
        ('Binary(classes=("no", "yes"))', [0.0, 1.0], 1.4),
        ("Multiclass(classes=2)", [0.0, 1.0], 1.4),
    ],
)
def test_a_weight_is_1_by_the_loss_of_the_best_constant(objective: str, target: list[float], weight: float) -> None:
    """Of any objective's text, with whatever it says in its brackets."""
    assert even_weight(objective, np.array(target)) == weight


@pytest.mark.parametrize("text", ["Median()", "Regression(", "Binary", "Regression(quantile=half)", "Multiclass()"])
def test_a_text_that_is_no_objective_is_refused(text: str) -> None:
    """In a sentence that says what is one."""
    with pytest.raises(CannotAdopt, match=r"it is none of one output.*write Binary"):
        even_weight(text, np.array([0.0, 1.0]))


def test_the_day_that_it_was_trained_until_counts_as_a_whole() -> None:
    """An instant is taken as it is, in UTC where nothing else is said."""
    assert instant_after("2026-01-31") == datetime(2026, 2, 1, tzinfo=UTC)
    assert instant_after("2026-01-31T12:00+01:00") == datetime(2026, 1, 31, 11, 0, 0, 1, tzinfo=UTC)
    assert instant_after("") is None
    with pytest.raises(CannotAdopt, match="2026-01-31"):
        instant_after("yesterday")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_file_from_both_sides_of_the_date_lands_as_two(suffix: str, tmp_path: Path) -> None:
    """Nothing else about its rows changes; a row without a legible time goes with the older ones."""
    path = tmp_path / f"mine.{suffix}"
    rows = pl.DataFrame({"at": [*DAYS, "soon"], "code": [f"0{n}" for n in range(COUNT)] + ['a,"b"\nc']})
    {"csv": rows.write_csv, "jsonl": rows.write_ndjson, "parquet": rows.write_parquet}[suffix](path)
    with divided(path, "at", datetime(2026, 1, 5, tzinfo=UTC)) as files:
        assert [file.name for file in files] == [f"mine-learned.{suffix}", f"mine-new.{suffix}"]
        read = {
            "csv": lambda file: pl.read_csv(file, infer_schema=False).rows(),
            "jsonl": lambda file: [tuple(json.loads(line).values()) for line in file.read_text().splitlines()],
            "parquet": lambda file: pl.read_parquet(file).rows(),
        }[suffix]
        assert [read(file) for file in files] == [[*rows.rows()[:4], rows.rows()[-1]], rows.rows()[4:6]]
    for before in (datetime(2027, 1, 1, tzinfo=UTC), None):
        with divided(path, "at", before) as files:
            assert files == [path]


def test_landed_rows_are_taken_back_where_it_was_in_vain(tmp_path: Path) -> None:
    """And a file that is there already stays; another one of its name is refused."""
    data, folder = tmp_path / "mine.csv", tmp_path / "landing" / "orders"
    data.write_text("a\n1\n")
    with suppress(ZeroDivisionError), landed([data], str(folder)):
        assert (folder / "mine.csv").read_text() == "a\n1\n"
        raise ZeroDivisionError
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "mine.csv").write_text("a\n1\n")
    with suppress(ZeroDivisionError), landed([data], str(folder)):
        raise ZeroDivisionError
    assert (folder / "mine.csv").exists()
    (folder / "mine.csv").write_text("a\n2\n")
    with pytest.raises(CannotAdopt, match="another file of this name"), landed([data], str(folder)):
        pytest.fail("it was landed over another one")


def test_a_gap_beyond_the_first_rows_is_no_null_that_the_model_must_take(tmp_path: Path) -> None:
    """The draft allows nulls where the model imputes them; else rows with one are refused, and a sentence says so."""
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1, "sigmoid", name="out")])
    model.save(tmp_path / "mine.keras")
    gap = table(size=[1.0, 2.0, 3.0, 4.0, 5.0, None], price=[1.0] * COUNT)
    found = fit(gap, [ModelInput("x", (2,), "float32")], **NAMES)
    assert found.schema.nullable == ("size",)
    adopted = Adopted(tmp_path / "mine.keras", found.schema, INPUTS, found.inputs)
    found, _ = with_objectives([Fresh("", "late")], ["sigmoid"], found, adopted, gap.head(COUNT - 1), tmp_path)
    assert found.schema.nullable == ()
    assert any("does not impute size" in doubt for doubt in found.doubts)
