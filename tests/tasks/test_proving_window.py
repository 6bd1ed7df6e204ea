"""After a refusal the proving window is of what arrived since: the next challenger may learn all before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from filled import MODEL, START
from served import Place

from db.records import RunEnding
from db.registry import open_registry
from learning.spec import Gate
from tasks.decide_retrain import rows_since
from tasks.find_pending import pending_work
from tasks.judged_rows import since_the_turn
from tasks.run import Context

LABELS = [1.0, 0.0] * 20
REFUSED = RunEnding("rejected", "retrain", "not shown better")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Version 1 has learned a day, and its challenger was refused on the eight days that arrived then."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        place.spec = replace(place.spec, gate=Gate(min_rows=10, min_events=0))
        place.promote(1, trained=[place.arrive(0, LABELS).digest])
        place.arrive(1, LABELS * 8, days=8)
        registry.finish_run(place.run, REFUSED, work_key=pending_work(opened(place)).work_key, timings={})
        yield place


def opened(place: Place) -> Context:
    """What finding pending work takes beside."""
    counted = SimpleNamespace(counted=tuple)
    return cast("Context", SimpleNamespace(**vars(place.context), newest=counted))


def refused_by(place: Place, gate: Gate) -> None:
    """Another gate refuses a challenger of the same rows."""
    place.spec = replace(place.spec, gate=gate)
    run, key = place.registry.start_run(MODEL, trigger="test").id, pending_work(opened(place)).work_key
    place.registry.finish_run(run, REFUSED, work_key=key, timings={})


def day(number: int) -> datetime:
    """The start of a day."""
    return START + timedelta(days=number)


def test_the_window_is_a_quarter_of_what_is_new_and_all_before_it_is_learned(place: Place) -> None:
    """Eight days are new, of sixteen: the challenger learns fourteen, and is proven on two."""
    place.arrive(9, LABELS * 8, days=8)
    found = pending_work(opened(place))
    assert (found.prove_from, found.judged_rows) == (day(15), 80)
    assert len(found.partitions) == 2


def test_where_what_is_new_cannot_be_divided_the_window_is_of_all(place: Place) -> None:
    """A single new day is no history and proof."""
    place.arrive(9, LABELS)
    assert pending_work(opened(place)).prove_from == day(7)


def test_a_single_day_is_no_window(place: Place) -> None:
    """Four days are new, and a quarter of them has no interval: nothing could be shown worse on it."""
    place.arrive(9, LABELS * 4, days=4)
    assert pending_work(opened(place)).prove_from == day(10)


def test_where_what_is_new_has_too_few_rows_the_window_is_of_all(place: Place) -> None:
    """Of eight new days six may judge, which are fewer rows than a verdict takes; of sixteen, eight are enough."""
    refused_by(place, Gate(min_rows=300, min_events=0))
    place.arrive(9, LABELS * 8, days=8)
    found = pending_work(opened(place))
    assert (found.prove_from, found.judged_rows) == (day(9), 320)


def test_old_rows_that_came_late_make_no_longer_window(place: Place) -> None:
    """They are learned from, and what is newest proves as before."""
    place.arrive(1, LABELS * 4, days=4)
    assert pending_work(opened(place)).prove_from == day(6)


def test_under_another_plan_nothing_was_refused(place: Place) -> None:
    """All that is pending is news to it."""
    place.arrive(9, LABELS * 8, days=8)
    place.spec = replace(place.spec, gate=replace(place.spec.gate, max_forgetting=0.5))
    assert pending_work(opened(place)).prove_from == day(13)


def test_rare_outcomes_are_judged_on_as_much_as_it_takes(place: Place) -> None:
    """Else a model that breaks right after a refusal would wait for as many events again."""
    refused_by(place, Gate(min_rows=10, min_events=45))
    place.arrive(9, LABELS * 8, days=8)
    found = pending_work(opened(place))
    assert (found.prove_from, found.judged_events) == (day(13), 80)


@pytest.mark.parametrize(("turned", "since"), [(9, 15), (3, 13), (16, 13), (None, 13)])
def test_the_newest_rows_of_a_turned_world_judge_and_the_others_are_learned(
    place: Place, turned: int | None, since: int
) -> None:
    """Of sixteen days that wait the newest four judge; where the world turned eight days ago, the newest two.

    Where nearly all or next to nothing is of the new world, it is the quarter as ever.
    """
    place.arrive(9, LABELS * 8, days=8)
    pending = replace(pending_work(opened(place)), prove_from=day(13))
    found = since_the_turn(opened(place), pending, None if turned is None else day(turned))
    assert found.prove_from == day(since)
    assert since_the_turn(opened(place), replace(pending, asked="again"), day(9)).prove_from == day(13)


@pytest.mark.parametrize(("turned", "rows"), [(0, 360), (1, 320), (9, 0)])
def test_rows_of_the_new_world_are_those_that_wait_and_those_that_were_learned(
    place: Place, turned: int, rows: int
) -> None:
    """Version 1 has learned a day of 40, and eight days of 40 wait."""
    learned = place.registry.trained_on(MODEL, 1)
    assert rows_since(day(turned), (*learned, *pending_work(opened(place)).partitions)) == rows
    assert rows_since(None, learned) == 0
