"""A first model file from a data file."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from errors import InvalidSpec, UnreadableFile
from models.drafting import draft, read_sample

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
    guess = draft(read_sample(landed))
    assert (guess.time, guess.key, guess.target, guess.objective) == ("placed", ("order",), "late", "Binary()")
    assert (guess.numeric, guess.categorical, guess.nullable) == (("weight",), ("town",), ("weight",))
    assert guess.ignored == ("same",)


@pytest.mark.parametrize(
    ("values", "objective"),
    [([0, 1, 2, 1], "Multiclass(3)"), ([0.5, 1.0, 2.0, 7.0], "Regression()"), ([10, 20, 30, 40], "Regression()")],
)
def test_the_objective_follows_from_the_target(values: list[float], objective: str) -> None:
    """Few whole numbers from 0 on are classes, anything else is a quantity."""
    assert draft(DATED.with_columns(pl.Series("late", values))).objective == objective


def test_a_key_grows_until_it_is_unique() -> None:
    """Where no column names a row alone, several do together, beginning with the time."""
    twice = DATED.with_columns(pl.col("placed").first(), order=pl.Series(["a", "a", "b", "b"]))
    guess = draft(twice.with_columns(line=pl.Series([1, 2, 1, 2])).select("line", *TABLE.columns))
    assert set(guess.key) == {"placed", "line", "order"}
    assert "line" not in guess.numeric


def test_what_cannot_be_guessed_is_asked_for() -> None:
    """No dates, a misspelt column, words as labels: each message says which option helps."""
    with pytest.raises(InvalidSpec, match="--time"):
        draft(TABLE)
    with pytest.raises(InvalidSpec, match="did you mean 'late'"):
        draft(TABLE, target="latte")
    with pytest.raises(InvalidSpec, match="--target"):
        draft(DATED, target="town")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """Neither a picture nor a missing file."""
    with pytest.raises(UnreadableFile, match="ends in"):
        read_sample(tmp_path / "photo.png")
    with pytest.raises(UnreadableFile, match="could not be read"):
        read_sample(tmp_path / "nothing.csv")


def test_the_drafted_file_is_a_model_that_predicts(landed: Path, tmp_path: Path) -> None:
    """It is valid in our own style and its base and head fit, missing numbers included."""
    (tmp_path / "orders.py").write_text(draft(read_sample(landed)).source("orders", landed.name))
    code = """
import numpy as np
from orders import spec
rows = {"weight": np.array([[1.0], [np.nan]], "float32"), "town": np.array([["Ulm"], [""]], object)}
base = spec.build_base(rows)
head = spec.build_head(tuple(base.output_shape[1:]))
import tensorflow as tf
said = head(base({name: tf.constant(column) for name, column in rows.items()}))
assert np.isfinite(said).all() and said.shape == (2, 1)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    style = ["--isolated", "--line-length=120", "orders.py"]
    ours = ["--config", 'lint.isort.known-first-party=["models"]']
    subprocess.run([sys.executable, "-m", "ruff", "check", *ours, *style], check=True, cwd=tmp_path)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--check", *style], check=True, cwd=tmp_path)


@pytest.mark.parametrize("name", ['say "hi"', "a\\b", 'x" + str(print("RAN")) + "', "new\nline", "größe"])
def test_names_of_columns_are_data_not_code(name: str) -> None:
    """Whatever a file calls its columns, the draft holds these names and runs none of them."""
    text = draft(DATED.rename({"weight": name})).source("orders", f'{name}""".csv')
    tree = ast.parse(text)
    assert name in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "print"]


def test_rows_that_no_columns_tell_apart_are_refused() -> None:
    """A key that is none would take most rows for duplicates."""
    twice = pl.concat([DATED.drop("order"), DATED.drop("order")])
    with pytest.raises(InvalidSpec, match="no columns name a row"):
        draft(twice)


def test_a_number_that_is_none_is_missing() -> None:
    """NaN is no value, so the column may be null; and a target without any value is none."""
    assert "weight" in draft(DATED.with_columns(weight=pl.Series([1.0, float("nan"), 2.0, 3.0]))).nullable
    with pytest.raises(InvalidSpec, match="no row has a value"):
        draft(DATED.with_columns(late=pl.lit(None, pl.Int64)))


@pytest.mark.parametrize("name", ["holdout", "price/kg"])
def test_names_that_no_model_could_have_are_refused(name: str) -> None:
    """Evergreen's own mark, and what Keras takes for a path."""
    with pytest.raises(InvalidSpec, match="rename"):
        draft(DATED.rename({"weight": name}))
