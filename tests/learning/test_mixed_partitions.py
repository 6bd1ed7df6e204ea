"""What is asked beside predictions, of partitions that arrived under different schemas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from learning.changes import made_for, spec_for
from learning.data import PartitionFile, read_columns
from learning.files import Trained
from learning.prediction import predict
from learning.spec import ModelSpec

Partition = Callable[..., PartitionFile]


@pytest.fixture
def both(partition: Partition) -> list[PartitionFile]:
    """One from before rows had a weight, and one whose rows weigh 2."""
    old, new = partition("old"), partition("new", seed=1)
    pl.read_parquet(new.path).with_columns(worth=2.0).write_parquet(new.path)
    return [old, new]


def test_rows_from_before_there_were_weights_count_one(
    spec: ModelSpec, champion: Trained, both: list[PartitionFile], tmp_path: Path
) -> None:
    """A schema that gains a weight judges old and new rows together, without asking for the column."""
    weighed = replace(spec, schema=replace(spec.schema, weight="worth"))
    found = predict(weighed, champion.files, both, split="holdout", cache=tmp_path / "cache")
    assert found.weight is not None
    assert found.weight.tolist() == [1.0, 1.0, 2.0, 2.0]
    none = found.take(np.zeros(4, bool))
    assert none.followed_by(found.take(found.weight > 1), 1).weight.tolist() == [2.0, 2.0]
    assert predict(spec, champion.files, both, split="holdout", cache=tmp_path / "cache").weight is None


def test_a_version_with_other_columns_is_judged_by_the_weights_of_today(spec: ModelSpec) -> None:
    """How much a row counts is no matter of the version; a column that it takes as an input stays one."""
    wider = replace(spec, schema=replace(spec.schema, numeric=("a", "b", "d"), weight="worth"))
    assert spec_for(wider, made_for(spec)).schema.weight == "worth"
    turned = replace(spec, schema=replace(spec.schema, numeric=("a",), weight="b"))
    assert spec_for(turned, made_for(spec)).schema.weight is None


def test_a_column_that_changed_its_kind_is_one_kind_of_array(spec: ModelSpec, partition: Partition) -> None:
    """Words that were there before a number are missing numbers, and numbers before words are no word."""
    old, rows = partition("old"), np.arange(2)
    turned = replace(spec.schema, numeric=("a", "c"), categorical=("b",), nullable=("b", "c"))
    found = read_columns(turned, old, ["a", "b", "c", "elsewhere"], rows)
    assert {name: values.dtype.kind for name, values in found.items()} == {
        "a": "f",
        "b": "O",
        "c": "f",
        "elsewhere": "O",
    }
    assert np.isnan(found["c"]).all()
    assert found["b"].tolist() == found["elsewhere"].tolist() == ["", ""]
    assert np.isnan(read_columns(turned, old, ["c"], rows)["c"]).all()
