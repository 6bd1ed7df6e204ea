"""A first Schema and a first model file from a data file."""

from __future__ import annotations

import ast
import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cli.drafting.guess import guess
from cli.drafting.sample import read_sample
from cli.drafting.source import model_source, schema_source
from errors import InvalidSpec, UnreadableFile
from evergreen_client.model_files import load_model
from evergreen_client.shown import UNSEEN
from learning.catalog import load_spec

TABLE = pl.DataFrame(
    {
        "order": ["a1", "a2", "a3", "a4"],
        "placed": ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z"],
        "weight": [1.0, None, 2.5, 3.0],
        "town": ["Ulm", "Ulm", "Bonn", "Bonn"],
        "same": [1, 1, 1, 1],
        "late": [0, 1, 0, 1],
    }
)

DATED = TABLE.with_columns(pl.col("placed").str.to_datetime(time_zone="UTC"))


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    """The table as a CSV file, where dates are text."""
    TABLE.write_csv(tmp_path / "orders.csv")
    return tmp_path / "orders.csv"


def test_columns_are_recognised(landed: Path) -> None:
    """Dates are the time, a unique column is the key, what never changes is left out."""
    found = guess(read_sample(landed))
    assert (found.schema.time, found.schema.key, found.schema.target, found.objective) == (
        "placed",
        ("order",),
        "late",
        "Binary()",
    )
    assert (found.schema.numeric, found.schema.categorical, found.schema.nullable) == (
        ("weight",),
        ("town",),
        ("weight",),
    )
    assert found.ignored == ("same",)


@pytest.mark.parametrize(
    ("values", "objective"),
    [([0, 1, 2, 1], "Multiclass(3)"), ([0.5, 1.0, 2.0, 7.0], "Regression()"), ([10, 20, 30, 40], "Regression()")],
)
def test_the_objective_follows_from_the_target(values: list[float], objective: str) -> None:
    """Few whole numbers from 0 on are classes, anything else is a quantity."""
    assert guess(DATED.with_columns(pl.Series("late", values))).objective == objective


def test_a_key_grows_until_it_is_unique() -> None:
    """Where no column names a row alone, as few as possible do together, and a person is asked about them."""
    twice = DATED.with_columns(pl.col("placed").first(), order=pl.Series(["a", "a", "b", "b"]))
    found = guess(twice.with_columns(line=pl.Series([1, 2, 1, 2])).select("line", *TABLE.columns))
    assert found.schema.key == ("line", "order")
    assert "line" not in found.schema.numeric


def test_identifiers_are_keys_and_never_measures() -> None:
    """A customer and a time name an order better than its note; and a customer's number is no quantity."""
    rows = DATED.rename({"order": "note"}).with_columns(customer_id=pl.Series([7, 8, 7, 8]))
    assert guess(rows).schema.key == ("customer_id", "placed")
    found = guess(rows.with_columns(row_id=pl.int_range(4)))
    assert found.schema.key == ("row_id",)
    assert "customer_id" in found.ignored


def test_what_cannot_be_guessed_is_asked_for() -> None:
    """Other dates in a column, a misspelt one, labels that never come again: each message says which option helps."""
    with pytest.raises(InvalidSpec, match="column 'placed': it does not hold times"):
        guess(TABLE.with_columns(placed=pl.lit("the end of 2024")), time="placed")
    with pytest.raises(InvalidSpec, match="did you mean 'late'"):
        guess(TABLE, target="latte")
    with pytest.raises(InvalidSpec, match="--target"):
        guess(DATED, target="order")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """Neither a picture nor a missing file."""
    (tmp_path / "photo.png").write_bytes(b"PNG")
    with pytest.raises(UnreadableFile, match="does not say what it is"):
        read_sample(tmp_path / "photo.png")
    with pytest.raises(UnreadableFile, match="there is no such file"):
        read_sample(tmp_path / "nothing.csv")


@pytest.mark.parametrize("form", ["orders.csv.gz", "orders.jsonl", "orders.json", "orders.parquet"])
def test_all_that_may_land_is_read_alike(form: str, tmp_path: Path) -> None:
    """Packed, separated by semicolons, with times as text: the guess is the same."""
    path = tmp_path / form
    if form.endswith(".gz"):
        path.write_bytes(gzip.compress(TABLE.write_csv(separator=";").encode()))
    elif form.endswith(".jsonl"):
        TABLE.write_ndjson(path)
    elif form.endswith(".json"):
        TABLE.write_json(path)
    else:
        TABLE.write_parquet(path)
    assert guess(read_sample(path)) == guess(TABLE)


def test_text_is_taken_for_what_it_holds() -> None:
    """NA among numbers is a gap, codes with leading zeros are text, and yes and no may be a target."""
    text = DATED.with_columns(
        weight=pl.Series(["1.5", "NA", "2", " 3 "]), town=pl.Series(["01", "01", "02", "02"]), late=pl.col("late") == 1
    )
    found = guess(text)
    assert (found.schema.numeric, found.schema.categorical, found.schema.nullable) == (
        ("weight",),
        ("town",),
        ("weight",),
    )
    assert found.objective == "Binary()"


def test_types_that_change_late_in_a_file_are_found_out(tmp_path: Path) -> None:
    """A gap, then a number, then a fraction, long after the first lines."""
    path = tmp_path / "orders[1].jsonl"
    lines = [{"id": n, "at": "2024-01-01", "size": None if n < 200 else n + 0.5, "late": n % 2} for n in range(300)]
    path.write_text("\n".join(map(json.dumps, lines)))
    found = guess(read_sample(path))
    assert (found.schema.numeric, found.schema.nullable) == (("size",), ("size",))


def test_a_few_bad_values_do_not_hide_what_a_column_is() -> None:
    """One time that is none, one line twice, a label that is not a number: landing refuses these, row by row."""
    many = pl.concat([DATED.with_columns(order=pl.col("order") + str(part)) for part in range(75)])
    times = many["placed"].dt.to_string("iso:strict").set(pl.int_range(300, eager=True) == 7, "unknown")
    late = many["late"].cast(pl.Float64).set(pl.int_range(300, eager=True) == 9, float("nan"))
    spoilt = many.with_columns(placed=times, late=late)
    found = guess(pl.concat([spoilt, spoilt.tail(1)]))
    assert (found.schema.time, found.schema.key, found.objective) == ("placed", ("order",), "Binary()")


def test_columns_are_what_landing_makes_of_them() -> None:
    """Dictionaries are text, too many digits are a code, true and false are 1 and 0, and paid is no id."""
    rows = TABLE.with_columns(
        town=pl.col("town").cast(pl.Categorical),
        order=pl.Series([f"1234567890123456789{n}" for n in range(4)]),
        paid=pl.Series(["true", "false", "true", "false"]),
    )
    found = guess(rows, target="paid")
    assert (found.schema.key, found.objective, found.schema.categorical) == (("order",), "Binary()", ("town",))
    assert guess(rows.drop("late").rename({"paid": "target"})).objective == "Binary()"


@pytest.mark.parametrize("lists", [[["a", "b"]], [[True, False]], [[]], [[[1, 2], [1]]]])
def test_lists_that_are_no_tensors_are_left_out(lists: list[Any]) -> None:
    """Of text, of yes and no, empty, ragged."""
    found = guess(DATED.with_columns(pixels=pl.Series(lists * 4)))
    assert found.schema.tensors == {}
    assert "pixels" in found.ignored


def test_a_header_that_could_not_land_is_refused(tmp_path: Path) -> None:
    """Two columns of one name; and an index that was written out without a name is no input."""
    path = tmp_path / "orders.csv"
    path.write_text("at,x,x\n2024-01-01,1,2\n2024-01-02,2,3\n")
    with pytest.raises(UnreadableFile, match="two columns are called 'x'"):
        read_sample(path)
    path.write_text(",at,x,y\n0,2024-01-01,1,0\n1,2024-01-02,2,1\n")
    assert guess(read_sample(path)).ignored == ("",)


def test_tensors_are_in_the_schema_and_left_out_of_the_draft() -> None:
    """A base for them is for a person to write."""
    found = guess(DATED.with_columns(pixels=pl.Series([[[1, 2, 3], [4, 5, 6]]] * 4)))
    assert found.schema.tensors == {"pixels": (2, 3)}
    assert "tensors={'pixels': (2, 3)}" in schema_source(found)
    assert 'ignore=("same", "pixels")' in model_source(found, "orders", "orders.parquet")
    only = guess(DATED.with_columns(pixels=pl.Series([[1, 2]] * 4)).drop("weight", "town"))
    with pytest.raises(InvalidSpec, match=r"models/digits\.py"):
        model_source(only, "orders", "orders.parquet")


def test_what_a_person_named_is_not_doubted() -> None:
    """Guesses are marked as such, and only these."""
    assert any(doubt.startswith("key:") for doubt in guess(DATED).doubts)
    assert not any(doubt.startswith("key:") for doubt in guess(DATED, key=["order"]).doubts)
    assert not any(doubt.startswith("target:") for doubt in guess(DATED, target="late").doubts)


def test_the_drafted_file_is_a_model_that_predicts(landed: Path, tmp_path: Path) -> None:
    """It is valid in our own style and its base and head fit, missing numbers included."""
    (tmp_path / "orders.py").write_text(model_source(guess(read_sample(landed)), "orders", landed.name))
    import tensorflow as tf

    spec = load_spec("orders", [tmp_path])
    rows = {"weight": np.array([[1.0], [np.nan]], "float32"), "town": np.array([["Ulm"], [""]], object)}
    base, given = spec.build_base(rows), {name: tf.constant(column) for name, column in rows.items()}
    features = base(given)
    said = np.asarray(spec.build_head(tuple(base.output_shape[1:]))(features))
    assert np.isfinite(said).all()
    assert said.shape == (2, 1)
    base.save(tmp_path / "base.keras")
    np.testing.assert_allclose(load_model(tmp_path / "base.keras")(given), features)
    described = json.loads(zipfile.ZipFile(tmp_path / "base.keras").read("config.json"))
    assert not [part for part in found_in(described) if not part.startswith("keras")]  # a service needs no Evergreen
    style = ["--isolated", "--line-length=120", "orders.py"]
    ours = ["--config", 'lint.isort.known-first-party=["learning"]']
    subprocess.run([sys.executable, "-m", "ruff", "check", *ours, *style], check=True, cwd=tmp_path)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--check", *style], check=True, cwd=tmp_path)


def test_a_number_that_is_mostly_the_same_is_told_apart_where_it_is_not(landed: Path, tmp_path: Path) -> None:
    """Of 2,000 rows all but 40 are 0: quantiles of the rows alone would make one step of several of these."""
    (tmp_path / "orders.py").write_text(model_source(guess(read_sample(landed)), "orders", landed.name))
    weight = np.zeros((2_000, 1), "float32")
    weight[::50, 0] = np.arange(1, 41)
    base = load_spec("orders", [tmp_path]).build_base({"weight": weight, "town": np.full((2_000, 1), "Ulm", object)})
    _, reach = (layer for layer in base.layers if layer.name.startswith("normalization"))
    edges = np.ravel(reach.mean)
    assert np.diff(edges).max() <= 2


def found_in(part: Any) -> Iterator[str]:
    """The packages that a saved model says its parts come from."""
    if isinstance(part, dict):
        yield from filter(None, [part.get("module"), part.get("package")])
        for other in part.values():
            yield from found_in(other)
    elif isinstance(part, list):
        for other in part:
            yield from found_in(other)


@pytest.mark.parametrize("column", ["weight", "town", "same"])
@pytest.mark.parametrize(
    "name",
    [
        'say "hi"',
        "a\\b",
        'x" + str(print("RAN")) + "',
        "new\nline",
        "a\rprint('RAN')#",
        "it's",
        "a\u202eb\x9b\u2028",
        "größe",
        "km 🚀",
    ],
)
def test_names_of_columns_are_data_not_code(name: str, column: str) -> None:
    """Whatever a file calls its columns, what is printed and drafted holds these names and runs none of them."""
    found = guess(pl.concat([DATED, DATED.with_columns(order=pl.col("order") + "x")]).rename({column: name}))
    for text in (schema_source(found), model_source(found, "orders", f'{name}""".csv')):
        assert not UNSEEN.search(text.replace("\n", ""))
        tree = ast.parse(text)
        said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert name in said or (column == "same" and text == schema_source(found))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "print"]


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_text_of_a_file_with_types_stays_text(ending: str, tmp_path: Path) -> None:
    """Codes of digits are categories where the file says that they are text; in CSV they are numbers without a zero."""
    codes = pl.Series(["4711", "4712", "4711", "4712"])
    rows = TABLE.with_columns(code=codes, zero=pl.Series(["01", "02", "01", "02"]))
    path = tmp_path / f"orders.{ending}"
    rows.write_parquet(path) if ending == "parquet" else rows.write_ndjson(path)
    found = guess(read_sample(path), target="late").schema
    assert (found.time, found.categorical) == ("placed", ("town", "code", "zero"))
    rows.write_csv(tmp_path / "orders.csv")
    plain = guess(read_sample(tmp_path / "orders.csv"), target="late").schema
    assert (plain.numeric, plain.categorical) == (("weight", "code"), ("town", "zero"))


def test_numbers_that_may_be_codes_are_asked_about() -> None:
    """Few whole numbers may be the kinds of a code book; a measure, a yes or no and what varies are not."""
    rows = pl.concat([DATED.with_columns(order=pl.col("order") + str(place)) for place in range(5)])
    many = rows.with_columns(
        kind=pl.Series([1, 2, 9, 4] * 5), size=pl.Series([0.5, 1, 2, 3] * 5), count=pl.Series(range(20))
    )
    (doubt,) = [doubt for doubt in guess(many).doubts if doubt.startswith("numeric:")]
    assert "kind" in doubt
    assert "size" not in doubt
    assert "count" not in doubt


@pytest.mark.parametrize(("rows", "batch"), [(999, 32), (1_000, 128), (50_000, 256)])
def test_a_draft_says_only_what_its_rows_call_for(rows: int, batch: int) -> None:
    """Paragraphs on kinds of columns that are not there are left out; few rows are learned from in small batches."""
    found = guess(DATED)
    numbers = replace(found, rows=rows, schema=replace(found.schema, categorical=(), nullable=()))
    categories = replace(found, schema=replace(found.schema, numeric=(), nullable=()))
    assert "StringLookup" not in model_source(numbers, "orders", "orders.csv")
    assert "Normalization" not in model_source(categories, "orders", "orders.csv")
    assert f"batch_size={batch}," in model_source(numbers, "orders", "orders.csv")


def test_rows_that_no_columns_tell_apart_are_refused() -> None:
    """A key that is none would take most rows for duplicates."""
    twice = pl.concat([DATED.drop("order"), DATED.drop("order").with_columns(weight=pl.col("weight") + 0.5)])
    with pytest.raises(InvalidSpec, match="tell all rows apart"):
        guess(twice)


def test_a_number_that_is_none_is_missing() -> None:
    """NaN is no value, so the column may be null; and a target without any value is none."""
    assert "weight" in guess(DATED.with_columns(weight=pl.Series([1.0, float("nan"), 2.0, 3.0]))).schema.nullable
    with pytest.raises(InvalidSpec, match="no row has a value"):
        guess(DATED.with_columns(late=pl.lit(None, pl.Int64)))


@pytest.mark.parametrize("name", ["holdout", "price/kg"])
def test_names_that_no_model_could_have_are_refused(name: str) -> None:
    """Evergreen's own mark, and what Keras takes for a path where a person names it."""
    with pytest.raises(InvalidSpec, match="rename"):
        guess(DATED.rename({"weight": name}), key=[name] if "/" in name else ())
