"""A column that says how much a row counts is checked when the row arrives."""

from __future__ import annotations

import polars as pl

from arrivals.validation import REASON, Validator
from learning.objectives import Binary
from learning.source import Source
from learning.spec import Schema


def test_a_row_whose_weight_is_none_is_refused_and_the_others_are_taken() -> None:
    """Missing, below 0, not finite, or no number; each row is told why, and zero is a weight."""
    schema = Schema(time=None, key=("id",), target="y", numeric=("x",), weight="worth")
    worth = ["2.5", "0", None, "-1", "inf", "much"]
    rows = pl.DataFrame({"id": list("abcdef"), "x": ["1"] * 6, "y": ["1"] * 6, "worth": worth})
    batch = Validator(schema, Binary(), Source("small")).validate(rows, schema.arriving)
    assert batch.rows["worth"].to_list() == [2.5, 0.0]
    assert batch.refused is not None
    assert batch.refused[REASON].to_list() == [
        "worth is missing",
        "worth is outside 0 to 3.40282e+38",
        "worth is too large for a float32",
        "worth is no number",
    ]
