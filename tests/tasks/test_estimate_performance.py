"""Where labels are missing the champion is estimated, and the estimate is settled once they came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
from filled import MODEL
from served import Place

from db.registry import open_registry
from learning.objectives import Regression
from monitoring.decision import Pending
from tasks.estimate_performance import estimate_pending, settle


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Version 1 learned from 20 days of 100 rows, and says one tenth of all rows."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        place.promote(1, trained=[place.arrive(0, ([1.0] * 5 + [0.0] * 45) * 40, days=20).digest])
        yield place


def test_rows_without_labels_are_estimated_and_settled(place: Place) -> None:
    """The estimate is of the version that served them; the truth comes with nearly all labels, not with the first."""
    rows = place.arrive(30, [None] * 50)
    [told] = estimate_pending(place.context, place.run, Pending(1, (rows,), "key"))
    assert told.startswith("50 rows from 2013-01-31 00:00: expected by its own probabilities")
    place.promote(2)
    place.arrive(30, [0.0] * 20, kind="labels")
    settle(place.context, place.run)
    assert [one.truth for one in place.registry.estimates(MODEL)] == [None, None]
    place.registry.recall(MODEL, "p2", reason="part of them", actor="a person")
    place.arrive(30, [0.0] * 45 + [1.0] * 5, kind="labels")
    settle(place.context, place.run)
    found = {one.metric: one for one in place.registry.estimates(MODEL)}
    assert {one.number for one in found.values()} == {1}
    assert found["log_loss"].truth == pytest.approx(-0.9 * log(0.9) - 0.1 * log(0.1), rel=1e-6)
    assert found["log_loss"].value == pytest.approx(found["log_loss"].truth, rel=0.02)
    assert found["accuracy"].truth == pytest.approx(0.9)


def test_labelled_rows_cost_nothing(place: Place) -> None:
    """No version predicts anything, and nothing is said."""
    rows = place.arrive(30, [1.0] * 50)
    assert not list(estimate_pending(place.context, place.run, Pending(1, (rows,), "key")))
    settle(place.context, place.run)
    assert place.predicted == []


def test_nothing_is_estimated_twice(place: Place) -> None:
    """Also not by the next champion, which did not serve the rows."""
    rows = place.arrive(30, [None] * 50)
    for champion, count in ((1, 1), (1, 0), (2, 0)):
        if champion == 2:
            place.promote(2)
        assert len(list(estimate_pending(place.context, place.run, Pending(champion, (rows,), "key")))) == count


def test_a_regression_has_no_estimate_and_says_so(place: Place) -> None:
    """In words, and without predicting."""
    place.spec = replace(place.spec, objective=Regression())
    rows = place.arrive(30, [None] * 50)
    [told] = estimate_pending(place.context, place.run, Pending(1, (rows,), "key"))
    assert told.startswith("cannot tell")
    assert place.predicted == []
