"""The hash that decides the holdout, pinned for ever, and the digest that a partition is known by."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from arriving import Port, line

from arrivals.keys import HIGH, content_digest, held_out, key_hashes, row_hash, texts
from learning.spec import Schema

ROWS = pl.DataFrame(
    {
        "at": [datetime(2024, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)],
        "id": ["x", "Zürich"],
        "n": [-0.0, 1.5],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)


@pytest.mark.parametrize(
    ("columns", "seed", "hashes"),
    [
        (("id",), 0, [16929150178197425425, 838883168505079630]),
        (("id",), 1, [12345335563672366964, 15948587943181063459]),
        (("at",), 0, [11205043507562734408, 10290824619824273473]),
        (("n",), 0, [1838281907459330133, 2038846061725523974]),
        (("id", "at", "n"), 0, [11766631486166445958, 9880313757601783481]),
    ],
)
def test_hashes_are_these_for_ever(columns: tuple[str, ...], seed: int, hashes: list[int]) -> None:
    """Another platform, version or order gives these very numbers, which xxhash's own XXH3_64bits gives too.

    If this test fails, do not change the numbers: every row's side of the holdout would be drawn anew.
    """
    assert texts(ROWS, columns).select(row_hash(columns, seed)).to_series().to_list() == hashes


def test_the_holdout_is_the_lowest_share_of_hashes() -> None:
    """About the share that was asked for, and always the same entities."""
    schema = Schema(time="at", key=("id",), target="late", categorical=("id",), holdout=0.2)
    rows = pl.DataFrame({"id": [str(number) for number in range(10_000)]})
    held = held_out(rows, key_hashes(rows, ("id",))[HIGH], schema)
    assert held.sum() == 2000
    assert held.head(30).arg_true().to_list() == [0, 7, 9, 11, 14, 25, 29]


def test_all_rows_of_an_entity_are_on_one_side() -> None:
    """Where the schema names an entity, its hash decides, not the row's key."""
    schema = Schema(time="at", key=("id", "visit"), entity=("id",), target="late", categorical=("id",))
    rows = pl.DataFrame({"id": [str(n % 50) for n in range(500)], "visit": [str(n) for n in range(500)]})
    held = rows.with_columns(held_out(rows, key_hashes(rows, ("id", "visit"))[HIGH], schema))
    sides = held.group_by("id").agg(pl.col("holdout").n_unique())["holdout"]
    assert sides.to_list() == [1] * 50
    assert 0 < held["holdout"].sum() < 500


def test_a_digest_knows_values_not_files() -> None:
    """The same values give the same digest, however they are chunked; any other value gives another one."""
    digest = content_digest(ROWS)
    assert digest == "71dba0140e5e36c962cb4a86f0847d4a420037264a407aa60fec4e2d74bc358e"
    assert content_digest(pl.concat([ROWS[:1], ROWS[1:]], rechunk=False)) == digest
    others = [ROWS.reverse(), ROWS.with_columns(n=pl.Series([None, 1.5])), ROWS.rename({"n": "m"})]
    others += [ROWS.with_columns(id=pl.Series(ids)) for ids in (["xZ", "ürich"], ["x", None], [None, "x"])]
    assert len({digest, *map(content_digest, others)}) == 7


def test_the_same_rows_have_the_same_digest_in_any_order(tmp_path: Path) -> None:
    """A partition is sorted, so the order of arrival leaves no trace in it."""
    digests = set()
    for place, lines in enumerate(([line(1), line(2), line(3)], [line(3), line(1), line(2)])):
        port = Port(tmp_path / str(place))
        port.land("a.csv", *lines)
        digests.add(port.ingest().partitions[0].digest)
    assert len(digests) == 1
