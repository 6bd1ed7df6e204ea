"""When what arrived was there, for whoever goes through it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from arrivals.past import moments
from db.arrival_records import PartitionRecord

FIRST, LIVE = 1, 2
DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def taken(run: int, until: int, arrived: datetime, kind: str = "rows") -> PartitionRecord:
    """A partition of the ten days until a day of the year, taken by a run at a time."""
    return PartitionRecord(
        model="tiny",
        digest=f"{run}-{until}-{kind}",
        source_uri="",
        uri="",
        sha256="",
        bytes=0,
        rows=10,
        holdout_rows=1,
        labelled_rows=10,
        time_from=START + (until - 10) * DAY,
        time_to=START + until * DAY,
        run_id=run,
        kind=kind,  # type: ignore[arg-type]
        arrived_at=arrived,
    )


def days(*partitions: PartitionRecord) -> list[float]:
    """The day on which each was there."""
    found = moments(partitions)
    return [(found[one.digest] - START) / DAY for one in partitions]


def test_a_backlog_was_there_as_it_happened() -> None:
    """What came at once with what version 1 learned says nothing of when it was there."""
    now = START + 100 * DAY
    assert days(*(taken(FIRST, until, now) for until in (10, 20, 30))) == [10, 20, 30]


def test_what_came_later_was_there_when_it_was_taken() -> None:
    """Labels are as late as they were."""
    rows = [taken(FIRST, 10, START + 10 * DAY), taken(LIVE, 20, START + 21 * DAY)]
    assert days(*rows, taken(LIVE + 1, 10, START + 25 * DAY, "labels")) == [10, 21, 25]


def test_where_the_rows_have_another_clock_their_order_is_kept() -> None:
    """Last year's rows may arrive today: labels that came after the second file were there no earlier than it."""
    now = START + 5_000 * DAY
    rows = [taken(FIRST, 10, now), taken(LIVE, 20, now + DAY)]
    assert days(*rows, taken(LIVE + 1, 10, now + 2 * DAY, "labels")) == [10, 20, 20]


def test_nothing_was_never_there() -> None:
    """A model whose rows have not arrived has no past."""
    assert moments(()) == {}
