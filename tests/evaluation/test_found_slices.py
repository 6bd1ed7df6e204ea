"""Slices that are found: their names hold for every row that they have, and enough rows judge them."""

from __future__ import annotations

import numpy as np

from evaluation.found_slices import found_slices

LEAST = 50
HALVES = np.arange(400) % 2
NOISE = np.random.default_rng(0).normal(0, 0.1, 400)


def test_a_slice_of_rows_without_a_value_says_so() -> None:
    """They are no rows "up to" anything."""
    age = np.where(np.arange(400) % 8 < 2, np.nan, np.arange(400.0))
    found = list(found_slices({"age": age}, NOISE + np.isnan(age), HALVES, LEAST))
    assert [name for name, _ in found] == ["age missing"]
    assert np.isnan(age[found[0][1]]).all()


def test_a_slice_below_a_bound_names_those_without_a_value() -> None:
    """Where they fare as badly as the smallest numbers."""
    age = np.where(np.arange(400) % 8 < 2, np.nan, np.arange(400.0))
    worse = np.isnan(age) | (age <= 100)
    name, rows = next(found_slices({"age": age}, NOISE + worse, HALVES, LEAST))
    assert np.isnan(age[rows]).any()
    assert name.endswith(" or missing")


def test_a_slice_that_few_rows_could_judge_is_not_told() -> None:
    """The half that was not searched has to have as many rows of it."""
    words = np.where((HALVES == 0) & (np.arange(400) < 200), "a", "b")
    rise = NOISE + (np.arange(400) < 200)
    assert [name for name, _ in found_slices({"word": words}, rise, HALVES, LEAST) if name == "word=a"] == []
    few = np.where(np.arange(400) < 200, "a", "b")
    assert [name for name, _ in found_slices({"word": few}, rise, HALVES, LEAST)] == ["word=a"]
