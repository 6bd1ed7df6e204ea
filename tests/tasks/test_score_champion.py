"""The track record is of the version that served a row, also where its label came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
from filled import MODEL, START
from served import Place

from db.registry import open_registry
from monitoring.decision import Pending
from monitoring.track_record import CONSTANT, live_track, world_turned
from tasks.score_champion import score_pending


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Version 1 learned from 100 rows, of which one in four was late, and is the champion."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        first = place.arrive(0, [1.0, 0.0, 0.0, 0.0] * 25)
        place.promote(1, trained=[first.digest])
        yield place


def test_late_labels_score_the_version_that_served_the_rows(place: Place) -> None:
    """Not today's champion, which is scored too, since the gate compares with it."""
    rows = place.arrive(1, [None] * 40)
    for number in (2, 3, 4):
        place.promote(number)
    labels = place.arrive(1, [1.0] * 40, kind="labels")
    score_pending(place.context, place.run, Pending(4, (rows, labels), "key"))
    assert {score.number for score in place.registry.scores(MODEL)} == {1, 4}
    losses, _ = live_track(place.registry, place.spec)
    assert [(one.version, one.rows, one.arrival) for one in losses] == [(1, 40, labels.digest)]
    assert losses[0].loss == pytest.approx(-log(0.1), rel=1e-6)


def test_each_day_of_labels_scores_its_own_version(place: Place) -> None:
    """Labels of a month may be those of several champions; who served nothing is not predicted with."""
    days = [place.arrive(1, [None] * 20)]
    place.promote(2)
    days.append(place.arrive(2, [None] * 20))
    for number in (3, 4, 5):
        place.promote(number)
    labels = place.arrive(1, [1.0] * 40, kind="labels", days=2)
    pending = Pending(5, (*days, labels), "key")
    score_pending(place.context, place.run, pending)
    assert sorted(place.predicted) == [1, 2, 5]
    score_pending(place.context, place.run, pending)
    assert sorted(place.predicted) == [1, 2, 5]  # nothing is scored twice
    losses, _ = live_track(place.registry, place.spec)
    assert [(one.block, one.version, one.rows) for one in losses] == [
        (days[0].time_from, 1, 20),
        (days[1].time_from, 2, 20),
    ]
    rows = {score.number: score.rows for score in place.registry.scores(MODEL)}
    assert rows == {1: 20, 2: 20, 5: 40}


def test_a_partly_scored_version_is_scored_whole_once_it_is_champion_again(place: Place) -> None:
    """So that it can be compared block by block."""
    days = [place.arrive(1, [None] * 20)]
    place.promote(2)
    days.append(place.arrive(2, [None] * 20))
    for number in (3, 4):
        place.promote(number)
    labels = place.arrive(1, [1.0] * 40, kind="labels", days=2)
    score_pending(place.context, place.run, Pending(4, (*days, labels), "key"))
    place.registry.rollback(MODEL, to=1, actor="a person", reason="it was better")
    score_pending(place.context, place.run, Pending(1, (*days, labels), "other key"))
    assert len(place.registry.block_losses(MODEL, [1])) == 2
    place.predicted.clear()
    score_pending(place.context, place.run, Pending(1, (*days, labels), "other key"))
    assert place.predicted == []  # and then never again


def test_rows_of_a_run_that_failed_are_scored_by_who_served_them(place: Place) -> None:
    """Two promotions by a person later, the track record still has no gap."""
    rows = place.arrive(1, [1.0] * 20)
    for number in (2, 3):
        place.promote(number)
    score_pending(place.context, place.run, Pending(3, (rows,), "key"))
    assert [one.version for one in live_track(place.registry, place.spec)[0]] == [1]


def test_without_time_blocks_labels_are_one_arrival(place: Place) -> None:
    """It is the version that served the first of them."""
    place.spec = replace(place.spec, schema=replace(place.spec.schema, block=""))
    rows = place.arrive(1, [None] * 40)
    for number in (2, 3):
        place.promote(number)
    labels = place.arrive(1, [1.0] * 40, kind="labels")
    score_pending(place.context, place.run, Pending(3, (rows, labels), "key"))
    [loss] = live_track(place.registry, place.spec)[0]
    assert (loss.version, loss.block) == (1, labels.time_from)


def test_rows_that_nobody_served_are_no_track_record(place: Place) -> None:
    """What arrived before the first promotion is pending, and says nothing of a champion."""
    labels = place.arrive(0, [1.0] * 10, kind="labels")
    score_pending(place.context, place.run, Pending(1, (labels,), "key"))
    assert place.registry.block_losses(MODEL, [1])
    assert live_track(place.registry, place.spec) == ([], {})


def test_two_weeks_worse_than_a_constant_are_a_break(place: Place) -> None:
    """The constant is what was usual when version 1 learned, a quarter; its loss stands beside the version's."""
    arrived = [place.arrive(day, [1.0] * 30) for day in (1, 8)]
    score_pending(place.context, place.run, Pending(1, tuple(arrived), "key"))
    found = [score.value for score in place.registry.scores(MODEL) if score.metric == CONSTANT]
    assert found == pytest.approx([-log(0.25)] * 2, rel=1e-6)
    losses, worse = live_track(place.registry, place.spec)
    assert worse == {one.digest: pytest.approx(-log(0.25), rel=1e-6) for one in arrived}
    assert world_turned(place.registry, place.spec) == arrived[0].time_from == START.replace(day=2)
    assert len(losses) == 2


def test_a_block_of_hardly_any_rows_is_no_observation(place: Place) -> None:
    """Five rows of a night beside hundreds of a day."""
    arrived = [place.arrive(day, [0.0] * rows) for day, rows in ((1, 50), (2, 50), (3, 4))]
    score_pending(place.context, place.run, Pending(1, tuple(arrived), "key"))
    assert [one.rows for one in live_track(place.registry, place.spec)[0]] == [50, 50]
