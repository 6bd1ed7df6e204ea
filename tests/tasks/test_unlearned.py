"""Rows that an adopted model has learned elsewhere judge nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from filled import MODEL, START, add_version, promote
from served import Place

from db.registry import ModelRegistry, open_registry
from monitoring.decision import Pending
from settings import Settings
from tasks.estimate_performance import estimate_pending
from tasks.evaluate import rows_of
from tasks.score_champion import score_arrivals
from tasks.unlearned import judged_since

UNTIL = START + timedelta(days=10)
CHANCES = [1.0, 0.0] * 250


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    """An empty one."""
    return open_registry(home.database_url)


@pytest.fixture
def place(tmp_path: Path, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A model that was adopted, with rows of ten days that it has learned."""
    place = Place(tmp_path, registry, monkeypatch)
    old = place.arrive(0, CHANCES, days=10)
    add_version(registry, trained=[old.digest], plan={"kind": "Adopted", "trained_before": UNTIL.isoformat()})
    promote(registry, 1)
    return place


def test_the_date_is_that_of_the_first_version(place: Place, registry: ModelRegistry) -> None:
    """Whatever version is in production: all of them begin with its weights."""
    add_version(registry, parent=1, metrics={"n": 2.0})
    promote(registry, 2)
    assert judged_since(place.context) == UNTIL


def test_a_model_that_was_trained_here_is_judged_on_all_that_it_held_out(
    tmp_path: Path, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before there is any version."""
    place = Place(tmp_path, registry, monkeypatch)
    assert judged_since(place.context) is None
    place.promote(1)
    assert judged_since(place.context) is None


def test_no_past_era_is_of_learned_rows(place: Place, registry: ModelRegistry) -> None:
    """The gate sees what came later, only."""
    new = place.arrive(20, CHANCES, days=5)
    challenger = add_version(registry, parent=1, trained=[new.digest])
    champion = registry.version(MODEL, 1)
    rows = rows_of(place.context, challenger, champion, Pending(1, (new,), "key"))
    assert (rows.past, rows.new, rows.learned_before) == ((), (new,), UNTIL)
    later = rows_of(place.context, challenger, challenger, Pending(2, (), "key"))
    assert later.past == (new,)


def test_nothing_is_calibrated_on_learned_rows(place: Place, registry: ModelRegistry) -> None:
    """Where there are no others yet, nobody can tell; once there are, they are enough."""
    waiting = place.arrive(30, [None] * 50)
    [told] = estimate_pending(place.context, place.run, Pending(1, (waiting,), "key"))
    assert "cannot tell" in told
    assert not registry.estimates(MODEL)
    held_out = place.arrive(40, [1.0, 0.0] * 1000, days=10)
    add_version(registry, parent=1, trained=[held_out.digest], metrics={"n": 2.0})
    promote(registry, 2)
    assert list(estimate_pending(place.context, place.run, Pending(2, (waiting,), "key")))
    assert registry.estimates(MODEL)


def test_a_late_label_of_a_learned_day_is_no_live_loss(place: Place, registry: ModelRegistry) -> None:
    """Of rows from both sides of the date, the later ones are scored."""
    both = place.arrive(8, [1.0] * 40, days=4)
    score_arrivals(place.context, place.run, 1, [both])
    assert {score.rows for score in registry.scores(MODEL)} == {20}
    assert {loss.block for loss in registry.block_losses(MODEL)} == {START + timedelta(days=day) for day in (10, 11)}
