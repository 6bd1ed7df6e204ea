"""Which windows a schema may have, and what else goes with them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from errors import InvalidSpec
from learning.changes import MADE_FOR, changes, made_for, schema_of
from learning.importance import shuffled
from learning.schema import Schema
from learning.spec import FineTune, ModelSpec, Source, Window, image

GOOD: dict[str, Any] = {
    "time": "at",
    "key": ("pump", "at"),
    "target": "y",
    "numeric": ("a", "b"),
    "categorical": ("c",),
    "entity": ("pump",),
    "window": Window(by=("pump",), length=4),
}


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"by": (), "length": 4}, "it names no columns"),
        ({"by": "pump", "length": 4}, 'write by=("station",)'),
        ({"by": ("pump",), "length": 1}, "length 1 of a Window"),
        ({"by": ("pump",), "length": 2.5}, "length 2.5"),
        ({"by": ("pump",), "length": 4, "step": 0}, "step 0 of a Window"),
        ({"by": ("pump",), "length": 4, "step": True}, "step True"),
    ],
)
def test_what_is_no_window(how: dict[str, Any], named: str) -> None:
    """The sentence says what was written, and what to write."""
    with pytest.raises(InvalidSpec) as refused:
        Window(**how)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"time": None, "key": ("pump", "n")}, "rows that bring no time have no last ones"),
        ({"text": ("note",)}, "['note']"),
        ({"tensors": {"pixels": (2, 2)}}, "['pixels']"),
        ({"files": {"photo": image(4, 4, 1)}}, "['photo']"),
        ({"numeric": ("a", "mask")}, "column 'mask' beside a Window"),
        ({"window": Window(by=("plant",), length=4)}, "['plant']"),
        ({"window": Window(by=("pump", "at"), length=4)}, "['at']"),
        ({"window": Window(by=("pump", "y"), length=4)}, "['y']"),
        ({"key": ("pump", "c"), "window": Window(by=("pump", "c"), length=4)}, "no two rows share them"),
        ({"nullable": ("c",), "window": Window(by=("pump", "c"), length=4)}, "['c']: they may be null"),
        ({"entity": ()}, "write entity=('pump',)"),
        ({"entity": ("c",)}, "training would see those that are held out"),
        ({"entity": ("pump", "c")}, "a holdout by ('pump', 'c')"),
    ],
)
def test_what_a_window_contradicts(changed: dict[str, Any], named: str) -> None:
    """Before anything arrives: windows without time, of columns that are not there, or on both sides of the holdout."""
    with pytest.raises(InvalidSpec) as refused:
        Schema(**GOOD | changed)
    assert named in str(refused.value)


def test_a_window_of_fewer_columns_than_the_holdout_is_refused_and_of_more_is_fine() -> None:
    """A plant is held out with all its pumps: a window over one pump is on one side."""
    schema = Schema(**GOOD | {"entity": ("c",), "window": Window(by=("pump", "c"), length=4)})
    assert schema.taken == ("a", "b", "c", "mask")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"source": Source("small", corrections="replace")}, "would keep what was replaced"),
        ({"finetune": FineTune(readapt=True)}, "padded"),
    ],
)
def test_what_a_plan_cannot_do_with_windows(spec: ModelSpec, changed: dict[str, Any], named: str) -> None:
    """Refused with the way, and not done wrongly."""
    with pytest.raises(InvalidSpec) as refused:
        replace(spec, schema=Schema(**GOOD), **changed)
    assert named in str(refused.value)


def test_a_version_remembers_its_window(spec: ModelSpec) -> None:
    """Through JSON and back; a spec with another one cannot go on from it, since partitions keep the windows."""
    windowed = replace(spec, schema=Schema(**GOOD))
    record = json.loads(json.dumps({MADE_FOR: made_for(windowed)}))[MADE_FOR]
    assert schema_of(record) == windowed.schema
    assert changes(record, windowed).fixed == ()
    longer = replace(windowed, schema=replace(windowed.schema, window=Window(by=("pump",), length=5)))
    (said,) = changes(record, longer).fixed
    assert "length=4" in said
    assert "length=5" in said
    del record["schema"]["window"]  # as versions of before there were any
    assert schema_of(record).window is None


def test_whole_windows_are_shuffled_among_rows_and_the_mask_is_not() -> None:
    """What a column is worth is told of a row's past too; where there is none is no column."""
    inputs = {"a": np.arange(6.0).reshape(3, 2), "mask": np.eye(3, 2, dtype=bool)}
    found = shuffled(inputs, np.arange(3), np.array([1, 2, 0]), ("a",))
    assert found["a"].tolist() == [[0, 1], [2, 3], [4, 5], [2, 3], [4, 5], [0, 1]]
    assert np.array_equal(found["mask"], np.tile(inputs["mask"], (2, 1)))
