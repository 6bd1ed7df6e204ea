"""Retrains beside online learning: each is judged by its own verdicts, on rows that the champion has not learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from filled import MODEL, START, add_version, promote
from served import Place

from db.registry import open_registry
from db.verdict_records import NewEvaluation
from monitoring.decision import Pending
from tasks.decide_retrain import answered
from tasks.evaluate import rows_of
from tasks.find_pending import pending_work
from tasks.run import Context
from tasks.score_champion import score_arrivals, score_pending
from tasks.unlearned import partly_seen, window

LABELS = [1.0, 0.0] * 20


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Version 1 learned the first arrival; version 2, the champion, went on from it online, and learned half of one."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        first, half = place.arrive(0, LABELS), place.arrive(4, LABELS * 2, days=2)
        place.promote(1, trained=[first.digest])
        add_version(registry, parent=1, plan={"kind": "online"}, partly=(half.digest,))
        promote(registry, 2)
        yield place


def whole(place: Place) -> Context:
    """What finding pending work takes beside."""
    place.spec = replace(place.spec, gate=replace(place.spec.gate, min_rows=10))
    counted = SimpleNamespace(counted=tuple)
    return cast("Context", SimpleNamespace(**vars(place.context), newest=counted))


def judge(place: Place, plan: dict[str, Any], **verdict: Any) -> int:
    """Let the gate refuse a challenger of the champion, in a run of its own."""
    number = add_version(place.registry, parent=2, plan=plan, metrics={"n": float(place.files)}).number
    run = place.registry.start_run(MODEL, trigger="test").id
    place.registry.record_evaluation(NewEvaluation(run, MODEL, number, 2, False, "worse elsewhere", (), **verdict))
    place.files += 1
    return number


def test_challengers_online_neither_make_a_retrain_stuck_nor_hide_that_it_is(place: Place) -> None:
    """Nor do they answer an alarm: hysteresis is that of the newest challenger that a retrain made."""
    context, files = whole(place), place.files
    for _ in range(3):
        judge(place, {"kind": "online"}, blocked=True)
    assert pending_work(context).stuck == 0
    assert answered(context, pending_work(context)) is None
    mine = judge(place, {"kind": "FineTune"}, blocked=True)
    judge(place, {"kind": "online"}, blocked=False)
    place.files = files
    found = pending_work(context)
    assert found.stuck == 1
    known = answered(context, found)
    assert known is not None
    assert known.challenger == mine


def test_rows_that_the_champion_learned_in_part_do_not_judge_while_there_are_others(place: Place) -> None:
    """Nor is it scored on them; the window is of older rows where those are all that it has not seen."""
    context, (half,) = place.context, place.registry.pending(MODEL)
    older = place.arrive(1, LABELS, days=2)
    pending = place.registry.pending(MODEL)
    start = window(context, 2, pending)
    assert start is not None
    assert (start - START).days == 2
    challenger = add_version(place.registry, parent=2)
    champion = place.registry.version(MODEL, 2)
    rows = rows_of(context, challenger, champion, Pending(2, pending, "key", prove_from=start))
    assert [p.digest for p in rows.new] == [older.digest]
    assert partly_seen(context, 2, rows.new) == ""
    assert window(context, 1, pending) == half.time_to.replace(hour=0, minute=0)
    score_pending(context, place.run, Pending(2, pending, "key"))
    score_arrivals(context, place.run, 1, pending)
    scored = {(score.number, score.partition) for score in place.registry.scores(MODEL)}
    assert scored == {(1, older.digest), (1, half.digest), (2, older.digest)}


def test_where_there_are_no_others_the_verdict_says_that_the_champion_has_seen_some(place: Place) -> None:
    """It is judged, as nothing else can be; whoever reads the verdict knows."""
    pending = place.registry.pending(MODEL)
    start = window(place.context, 2, pending)
    challenger, champion = add_version(place.registry, parent=2), place.registry.version(MODEL, 2)
    rows = rows_of(place.context, challenger, champion, Pending(2, pending, "key", prove_from=start))
    assert rows.new == pending
    assert partly_seen(place.context, 2, rows.new) == (
        "version 2 has learned online some rows of 1 partition of the proving window, as there are no others: it looks "
        "better there than it is"
    )
    assert partly_seen(place.context, 1, rows.new) == ""
