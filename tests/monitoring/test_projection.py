"""Features in a few columns: what moves is seen, along the main directions or off them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.projection import DIRECTIONS, WIDEST, fit, sketch


def rows(count: int, seed: int, width: int = 40) -> NDArray[np.float64]:
    """Rows that vary along three directions, and a little along all others."""
    directions = np.random.default_rng(99).normal(size=(3, width))
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 3)) @ directions + 0.1 * random.normal(size=(count, width))


def test_new_rows_of_the_same_kind_lie_where_others_lie() -> None:
    """Directions that were found on other rows are no closer to either side."""
    projection = fit(rows(1_000, 1))
    assert projection is not None
    assert projection.directions.shape == (DIRECTIONS, 40)
    one, other = projection(rows(2_000, 2)), projection(rows(2_000, 3))
    assert one.shape == (2_000, DIRECTIONS + 1)
    assert np.abs(one.mean(axis=0) - other.mean(axis=0)).max() < 0.15 * one.std(axis=0).max()


def test_a_shift_is_seen_along_the_directions_or_off_them() -> None:
    """What was never there lies off all of them."""
    projection = fit(rows(1_000, 1))
    assert projection is not None
    usual, strange = projection(rows(500, 2)), np.random.default_rng(4).normal(size=(500, 40))
    assert projection(rows(500, 2) + 3 * rows(1, 7))[:, :3].mean() != pytest.approx(usual[:, :3].mean(), abs=0.5)
    assert projection(strange)[:, -1].mean() > 5 * usual[:, -1].mean()


def test_a_feature_that_was_always_the_same_is_seen_when_it_is_not() -> None:
    """A unit that never fired begins to."""
    known, new = rows(1_000, 1), rows(500, 2)
    known[:, 7] = 0.0
    projection = fit(known)
    assert projection is not None
    asleep, awake = (projection(np.where(np.arange(40) == 7, value, new))[:, -1].mean() for value in (0.0, 5.0))
    assert awake > 2 * asleep


@pytest.mark.parametrize("known", [np.zeros((50, 4)), np.ones((1, 4)), np.full((50, 4), np.nan), np.empty((0, 4))])
def test_what_never_varies_has_no_directions(known: NDArray[np.float64]) -> None:
    """Constant, single, missing or no rows: features are not compared then."""
    assert fit(known) is None


def test_features_that_are_not_finite_stay_so() -> None:
    """They count as missing, and are left out when directions are sought."""
    known = rows(100, 1)
    known[3] = np.inf
    projection = fit(known)
    assert projection is not None
    found = projection(known)
    assert not np.isfinite(found[3, -1])
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


def test_wide_features_keep_their_distances_when_they_are_hashed() -> None:
    """Of any shape, to about a tenth."""
    random = np.random.default_rng(0)
    features = random.normal(size=(20, 30, 30, 8)).astype("float32")
    hashed = sketch(features)
    assert hashed.shape == (20, WIDEST)
    assert np.array_equal(hashed, sketch(features))
    before, after = (((one[1:] - one[0]) ** 2).reshape(19, -1).sum(axis=1) for one in (features, hashed))
    assert np.mean(after / before) == pytest.approx(1, abs=0.1)
