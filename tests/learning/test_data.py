"""Partition files as arrays."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from learning.data import PartitionFile, read_columns, read_inputs, select
from learning.spec import ModelSpec, Schema

Partition = Callable[..., PartitionFile]


def test_inputs_have_the_shapes_that_a_base_takes(spec: ModelSpec, partition: Partition) -> None:
    """Numbers are float32 and strings are objects, one column each."""
    inputs = read_inputs(spec.schema, partition("new"))
    assert {name: (column.shape, column.dtype.kind) for name, column in inputs.items()} == {
        "a": ((8, 1), "f"),
        "b": ((8, 1), "f"),
        "c": ((8, 1), "O"),
    }


def test_chosen_rows_are_the_same_as_in_a_whole_read(spec: ModelSpec, partition: Partition) -> None:
    """Reading some rows gives exactly those, in order."""
    new, chosen = partition("new"), np.array([2, 3, 6])
    whole, some = read_inputs(spec.schema, new), read_inputs(spec.schema, new, chosen)
    assert all(np.array_equal(whole[name][chosen], some[name]) for name in whole)


def test_missing_inputs_become_nan_and_the_empty_string(spec: ModelSpec, tmp_path: Path) -> None:
    """Null means NaN to a number and nothing to a category."""
    schema = replace(spec.schema, nullable=("a", "c"))
    path = tmp_path / "nulls.parquet"
    pl.DataFrame({"a": [None, 1.0], "b": [1.0, 1.0], "c": [None, "x"]}).write_parquet(path)
    inputs = read_inputs(schema, PartitionFile("nulls", path))
    assert np.isnan(inputs["a"][0, 0])
    assert inputs["c"][0, 0] == ""


def test_tensors_come_back_in_their_shape(tmp_path: Path) -> None:
    """Flat lists, of fixed size or not, are read in C order."""
    schema = Schema(time="t", key=("t",), target="y", tensors={"grid": (2, 3)})
    flat = [[0.0, 1, 2, 3, 4, 5], [5.0, 4, 3, 2, 1, 0]]
    for kind in (pl.Array(pl.Float32, 6), pl.List(pl.Float32)):
        pl.DataFrame({"grid": pl.Series(flat, dtype=kind)}).write_parquet(tmp_path / "grid.parquet")
        grid = read_inputs(schema, PartitionFile("grid", tmp_path / "grid.parquet"))["grid"]
        assert grid.shape == (2, 2, 3)
        assert grid[0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_only_labelled_rows_of_the_split_are_selected(spec: ModelSpec, partition: Partition) -> None:
    """Rows whose label is not known are in no split; train and holdout share no row."""
    new = partition("new", unlabelled=2)
    train, holdout, everything = (select(spec.schema, [new], split)[0].rows for split in ("train", "holdout", "all"))
    assert sorted([*train, *holdout]) == list(everything) == [2, 3, 4, 5, 6, 7]
    assert pl.read_parquet(new.path)["holdout"].to_numpy()[holdout].all()


def test_rows_are_selected_by_time_too(spec: ModelSpec, partition: Partition) -> None:
    """From a moment on, and before one; here a row a minute."""
    since, before = (datetime(2024, 1, 1, 0, minute, tzinfo=UTC) for minute in (2, 6))
    new = partition("new")
    assert select(spec.schema, [new], "all", since=since, before=before)[0].rows.tolist() == [2, 3, 4, 5]
    assert select(spec.schema, [new], "holdout", before=before)[0].rows.tolist() == [3]


def test_a_selected_row_knows_its_time_block(spec: ModelSpec, partition: Partition) -> None:
    """Also after some of them were taken; without blocks there is nothing to know."""
    (chosen,) = select(replace(spec.schema, block="5m"), [partition("new")], "all")
    starts = np.array(["2024-01-01T00:00", "2024-01-01T00:05"], "datetime64[us]")
    assert np.array_equal(chosen.take(np.array([4, 5])).block, starts)
    assert select(replace(spec.schema, block=""), [partition("new")], "all")[0].block is None


def test_missing_text_is_empty_in_columns_too(spec: ModelSpec, tmp_path: Path) -> None:
    """A slice by a column with gaps has the gap as a value like any other."""
    path = tmp_path / "p.parquet"
    pl.DataFrame({"c": ["x", None]}).write_parquet(path)
    assert read_columns(spec.schema, PartitionFile("p", path), ["c"], np.arange(2))["c"].tolist() == ["x", ""]
