"""The past, divided into eras."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evaluation.eras import past_eras

BEGIN = datetime(2013, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Partition:
    """What is asked of a partition: rows of seven days."""

    digest: str
    rows: int
    time_from: datetime

    @property
    def time_to(self) -> datetime:
        """Six days later."""
        return self.time_from + timedelta(days=6)


def test_eras_hold_about_as_many_rows_each_and_are_named_by_their_days() -> None:
    """A large partition fills an era by itself."""
    weeks = [
        Partition(str(week), rows, BEGIN + timedelta(weeks=week)) for week, rows in enumerate([100, 100, 200, 100, 100])
    ]
    assert past_eras(weeks, 3) == {
        "0": "2013-01-01 to 2013-01-14",
        "1": "2013-01-01 to 2013-01-14",
        "2": "2013-01-15 to 2013-01-21",
        "3": "2013-01-22 to 2013-02-04",
        "4": "2013-01-22 to 2013-02-04",
    }


def test_no_past_has_no_eras() -> None:
    """The first version has none."""
    assert past_eras([], 3) == {}
