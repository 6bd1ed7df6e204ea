"""References: which partitions newly arrived ones are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.arrival_records import PartitionRecord
from learning.spec import DriftPolicy
from monitoring.references import Reference, Span, merged, reference_for, rows

START = datetime(2025, 1, 6, tzinfo=UTC)


def week(number: int, count: int = 100) -> PartitionRecord:
    """The rows of one week."""
    begin = START + timedelta(weeks=number)
    facts: dict[str, Any] = dict.fromkeys(("source_uri", "uri", "sha256"), "")
    facts |= {"rows": count, "labelled_rows": count, "holdout_rows": 0, "bytes": 1, "arrived_at": begin}
    return PartitionRecord("m", f"w{number}", time_from=begin, time_to=begin + timedelta(days=6, hours=23), **facts)


HISTORY = [week(number) for number in range(60)]


def chosen(policy: DriftPolicy, arrived: Sequence[PartitionRecord], known: Sequence[PartitionRecord]) -> Reference:
    """The reference of a champion that learned the first ten weeks."""

    def count(partitions: Sequence[PartitionRecord], _spans: Sequence[Span]) -> int:
        return rows(partitions)

    return reference_for(policy, arrived, HISTORY[:10], known, count)


def test_the_champion_s_own_rows_are_the_default() -> None:
    """All of them, and no others."""
    assert chosen(DriftPolicy(), HISTORY[55:], HISTORY[:55]) == Reference("champion", tuple(HISTORY[:10]))


def test_previous_rows_are_as_many_and_span_as_long() -> None:
    """Two weeks before two weeks; of thin weeks as many as it takes."""
    policy = DriftPolicy(reference="previous")
    assert chosen(policy, HISTORY[50:52], HISTORY[:50]) == Reference("previous", tuple(HISTORY[48:50]))
    thin = [week(number, 40) for number in range(50)]
    assert chosen(policy, [week(50, 110)], thin).partitions == tuple(thin[47:])
    assert chosen(policy, [week(10)], HISTORY).partitions == (HISTORY[9],)  # not those that came after


def test_a_season_is_the_same_time_before() -> None:
    """52 weeks before two weeks there were two weeks."""
    found = chosen(DriftPolicy(reference="season"), HISTORY[55:57], HISTORY[:55])
    assert (found.name, found.partitions) == ("season", tuple(HISTORY[3:5]))
    assert [(begin, end) for begin, end in found.spans] == [(p.time_from, p.time_to) for p in HISTORY[3:5]]


@pytest.mark.parametrize(("name", "words"), [("season", "nothing is known"), ("previous", "too little arrived")])
def test_where_there_is_none_the_champion_s_rows_take_its_place_and_that_is_said(name: Any, words: str) -> None:
    """A check without its reference is no check without a word."""
    found = chosen(DriftPolicy(reference=name), HISTORY[10:11], [])
    assert (found.name, found.partitions) == ("champion", tuple(HISTORY[:10]))
    assert words in found.remark


def test_overlapping_spans_are_one() -> None:
    """Two arrivals of the same days."""
    hours = [START + timedelta(hours=hour) for hour in range(4)]
    assert merged([(hours[1], hours[2]), (hours[0], hours[1]), (hours[3], hours[3])]) == (
        (hours[0], hours[2]),
        (hours[3], hours[3]),
    )
