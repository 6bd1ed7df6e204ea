"""What is news, and what a refused challenger has answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from db.arrival_records import PartitionRecord
from db.verdict_records import DriftCheckRecord, DriftColumn, EvaluationRecord, PerformanceCheckRecord
from monitoring.alarms import BROKE, DATA_BROKEN, DRIFTED, NAMES, Answered, answered_by, news

NOW = datetime(2026, 11, 26, tzinfo=UTC)
HOUR = timedelta(hours=1)


def drift(run: int, *columns: str, broken: bool = False, champion: int = 1) -> DriftCheckRecord:
    """A check of a run in which these columns had drifted, or were broken."""
    found = tuple(DriftColumn(name, "wasserstein", 1.0, 0.1, drifted=True, broken=broken) for name in columns)
    facts = {"run_id": run, "model": "tiny", "champion": champion, "share": 1.0, "report_uri": None, "columns": found}
    words = {"drifted": bool(columns), "broken": broken, "reason": "because " * 100, "id": run, "at": NOW}
    return DriftCheckRecord(**facts, **words)  # type: ignore[arg-type]


def performance(run: int, state: str, since: datetime | None = NOW) -> PerformanceCheckRecord:
    """A check of a run that found the champion in this state."""
    facts = {"run_id": run, "model": "tiny", "champion": 1, "state": state, "since": since, "reason": "because"}
    return PerformanceCheckRecord(**facts, blocks=9, loss=1.0, limit=0.5, id=run, at=NOW)  # type: ignore[arg-type]


def told(*checks: DriftCheckRecord, again: bool = False) -> list[str]:
    """The events of run 2."""
    return [alarm.event for alarm in news(2, checks, (), again=again)]


def test_drift_is_news_when_it_begins_and_when_it_grows() -> None:
    """Not while it goes on; to another champion it is news again."""
    assert told(drift(2, "a")) == [DRIFTED]
    assert told(drift(2, "a"), drift(1)) == [DRIFTED]
    assert told(drift(2, "a"), drift(1, "a", "b")) == []
    assert told(drift(2, "a", "b"), drift(1, "a")) == [DRIFTED]
    assert told(drift(2, "a"), drift(1, "a", champion=9)) == [DRIFTED]
    assert told(drift(2, "a"), drift(1, "a"), again=True) == [DRIFTED]
    assert told(drift(2), drift(1, "a"), again=True) == []
    assert told(drift(1, "a"), again=True) == []  # nothing was compared


def test_broken_data_are_news_of_their_own() -> None:
    """They are not told again because a retrain has become due: nobody can train on them."""
    assert told(drift(2, "a", broken=True)) == [DATA_BROKEN, DRIFTED]
    assert told(drift(2, "a", broken=True), drift(1, "a")) == [DATA_BROKEN]
    assert told(drift(2, "a", broken=True), drift(1, "a", "b", broken=True), again=True) == [DRIFTED]


def test_a_break_is_news_once_and_a_warning_is_none() -> None:
    """A later break of the same champion is another one."""
    for before, found in (
        ((), [BROKE]),
        ((performance(1, "warning"),), [BROKE]),
        ((performance(1, "broken"),), []),
        ((performance(1, "broken", NOW - HOUR),), [BROKE]),
        ((performance(1, "broken", NOW + HOUR),), []),  # late labels: the same break, found to be older
    ):
        assert [alarm.event for alarm in news(2, (), (performance(2, "broken"), *before))] == found
    assert news(2, (), (performance(2, "warning"),)) == ()
    assert news(2, (), (performance(2, "broken", None),))[0].facts["since"] is None


def test_an_event_is_small() -> None:
    """Some names and the beginning of a reason; the registry has the rest."""
    (alarm,) = news(2, (drift(2, *(f"column {n:03}" for n in range(500))),), ())
    assert len(alarm.facts["columns"]) == NAMES
    assert len(alarm.facts["reason"]) <= 300


def test_a_refused_challenger_has_answered_what_was_known_then() -> None:
    """The alarms of its own run; and only rows that arrived since are new."""
    tried = EvaluationRecord(2, "tiny", 7, 1, False, "no better", (), id=1, at=NOW)
    file = ("landing/a.csv", "partition/a", "0" * 64, 1000)
    old = PartitionRecord("tiny", "a", *file, 30, 6, 25, NOW, NOW, arrived_at=NOW - HOUR)
    rows = old, replace(old, digest="b", labelled_rows=12, arrived_at=NOW + HOUR)
    checks = (drift(2, "a", "b"),)
    found = answered_by(tried, 1, rows, checks, (performance(2, "warning"),))
    assert found == Answered(7, frozenset({"a", "b"}), warned=True, rows_since=12)
    assert answered_by(tried, 8, rows, checks, ()) is None  # another champion since
    assert answered_by(None, 1, rows, checks, ()) is None
