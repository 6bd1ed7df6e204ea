"""Partition files that arrived under different schemas are read together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from errors import SchemaMismatch
from learning.data import PartitionFile, read_columns, read_inputs, select
from learning.spec import ModelSpec
from learning.stored import lacking


def test_a_column_that_was_added_later_is_null_in_older_files(
    spec: ModelSpec, partition: Callable[..., PartitionFile]
) -> None:
    """NaN of numbers and tensors, the empty text of categories; one that was dropped is not read."""
    old = partition("old", 4)
    wider = replace(
        spec.schema, numeric=("a", "d"), categorical=("e",), tensors={"i": (2, 1)}, nullable=("d", "e", "i")
    )
    inputs = read_inputs(wider, old, np.array([1, 3]))
    assert set(inputs) == {"a", "d", "e", "i"}
    assert np.isnan(inputs["d"]).all()
    assert inputs["e"].tolist() == [[""], [""]]
    assert np.isnan(inputs["i"]).all()
    assert inputs["i"].shape == (2, 2, 1)
    assert np.isfinite(inputs["a"]).all()
    assert read_columns(spec.schema, old, ["c", "e"], np.array([0, 1]))["e"].tolist() == ["", ""]
    assert lacking(wider, old) == ()


def test_a_column_of_another_kind_counts_as_missing(spec: ModelSpec, partition: Callable[..., PartitionFile]) -> None:
    """What was a number is no category of today, and the other way round."""
    turned = replace(spec.schema, numeric=("a", "c"), categorical=("b",), nullable=("b", "c"))
    inputs = read_inputs(turned, partition("old", 3))
    assert np.isnan(inputs["c"]).all()
    assert inputs["b"].tolist() == [[""]] * 3


def test_a_column_that_may_not_be_null_is_named(spec: ModelSpec, partition: Callable[..., PartitionFile]) -> None:
    """A sentence with the column and the partition, and no row."""
    wider, old = replace(spec.schema, numeric=("a", "b", "d")), partition("old", 3)
    assert lacking(wider, old) == ("d",)
    with pytest.raises(SchemaMismatch, match=r"column 'd' of partition old.*Schema.nullable"):
        read_inputs(wider, old)


def test_rows_of_another_target_are_unlabelled(spec: ModelSpec, partition: Callable[..., PartitionFile]) -> None:
    """Nothing is learned from them, and nothing fails."""
    files = [partition("old", 3)]
    (found,) = select(replace(spec.schema, target="other"), files, "all")
    assert len(found.rows) == 0
