"""Which delivery made a training diverge, and when none did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from errors import TrainingDiverged
from learning.absurd import absurd_rows_named, find_absurd
from learning.data import PartitionFile
from learning.spec import ModelSpec, Schema

Make = Callable[..., PartitionFile]
SCHEMA = Schema(time="at", key=("id",), target="y", numeric=("a",), tensors={"t": (2,)})


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A partition of a hundred usual rows, of which some columns are replaced."""

    def write(name: str, **changes: pl.Expr) -> PartitionFile:
        usual = pl.DataFrame({"a": [number / 10 for number in range(-50, 50)], "y": [0.0, 1.0] * 50})
        usual = usual.with_columns(t=pl.concat_arr("a", "y")).with_columns(**changes)
        usual.write_parquet(tmp_path / f"{name}.parquet")
        return PartitionFile(name, tmp_path / f"{name}.parquet")

    return write


FIRST = pl.int_range(pl.len()) < 3


def found(new: list[PartitionFile], old: list[PartitionFile]) -> tuple[str, str, int] | None:
    """What was found, in short."""
    absurdity = find_absurd(SCHEMA, new, old)
    return absurdity and (absurdity.partition.digest, absurdity.column, absurdity.rows)


@pytest.mark.parametrize("size", [1e12, 1e37, -1e37])
def test_some_rows_or_all_of_a_delivery(make: Make, size: float) -> None:
    """Beside what was learned before, or beside other new ones, or alone."""
    some = make("some", a=pl.when(FIRST).then(size).otherwise("a"))
    whole = make("whole", a=pl.lit(size))
    fine, old = make("fine"), make("old")
    assert found([fine, some], [old]) == ("some", "a", 3)
    assert found([some, fine], []) == ("some", "a", 3)
    assert found([some], []) == ("some", "a", 3)
    assert found([whole], [old]) == ("whole", "a", 100)
    assert found([whole, fine], []) == ("whole", "a", 100)


def test_every_column_that_is_trained_on(make: Make) -> None:
    """A target and a number inside a tensor too; a delivery that is all that ever came is judged by size alone."""
    assert found([make("target", y=pl.lit(1e30))], [make("old")]) == ("target", "y", 100)
    assert found([make("tensor", t=pl.concat_arr(pl.lit(1e30, pl.Float64), "y"))], []) == ("tensor", "t", 100)


def test_usual_rows_are_not_blamed(make: Make) -> None:
    """Nor are outliers, columns of zeros, or columns without values."""
    rare = make("rare", a=pl.when(FIRST).then(1e5).otherwise("a"))
    zeros = make("zeros", a=pl.lit(0.0))
    nothing = make("nothing", a=pl.lit(None, pl.Float64))
    assert found([rare, zeros, nothing], [make("old")]) is None
    assert found([rare], [zeros]) is None
    assert found([rare], [nothing]) is None


def test_what_diverges_without_them_stays_as_it_is(make: Make, spec: ModelSpec) -> None:
    """Then the plan is to blame, and its own error says so."""
    error = TrainingDiverged("loss nan", "it is not finite", "lower the rate")
    rows = make("fine", b=pl.col("a"))
    with pytest.raises(TrainingDiverged) as raised, absurd_rows_named(spec, [rows]):
        raise error
    assert raised.value is error
