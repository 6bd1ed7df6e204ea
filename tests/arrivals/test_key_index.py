"""The index of known keys: what it finds is what a plain join finds, however much is merged, lost or asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from arriving import Port, line

from arrivals import key_index
from arrivals.key_index import LABELLED, KeyIndex, Member
from arrivals.keys import HIGH, LOW

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def partitions(count: int) -> list[pl.DataFrame]:
    """Partitions of a few keys; some keys are in several, some differ in the low half only, some are empty."""
    draw = np.random.default_rng(1)
    made = []
    for _ in range(count):
        size = int(draw.integers(0, 20))
        high = draw.integers(0, 400, size, dtype=np.uint64) << np.uint64(55)
        low = draw.integers(0, 3, size, dtype=np.uint64)
        rows = pl.DataFrame({HIGH: high, LOW: low}).unique().sort(HIGH)
        made.append(rows.with_columns(pl.Series(LABELLED, draw.random(rows.height) < 0.5)))
    return made


def index_of(folder: Path, known: list[pl.DataFrame], *, by_time: bool = False) -> KeyIndex:
    """An index that covers these partitions, a day each."""
    index = KeyIndex(folder, lambda digest: known[int(digest)], by_time=by_time)
    index.extend(
        Member(lambda n=n: str(n), DAY.replace(day=n % 28 + 1), DAY.replace(day=n % 28 + 1)) for n in range(len(known))
    )  # type: ignore[misc]
    return index


def asked(rows: pl.DataFrame) -> pl.DataFrame:
    """Keys to look for."""
    return rows.select(HIGH, LOW, time=pl.lit(0)).sort(HIGH)


def found(index: KeyIndex, keys: pl.DataFrame) -> list[tuple[object, ...]]:
    """What the index finds, as (partition, key, labelled)."""
    finds = index.find(keys)
    return sorted(finds.select("sequence", keys[HIGH][finds["row"]], keys[LOW][finds["row"]], LABELLED).rows())


@pytest.mark.parametrize("window", [3, 1 << 22])
def test_it_finds_what_a_join_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """Every partition that has a key, through every level of merging, in windows of any size."""
    monkeypatch.setattr(key_index, "WINDOW", window)
    known = partitions(75)
    everything = pl.concat([rows.with_columns(sequence=pl.lit(n + 1)) for n, rows in enumerate(known)])
    keys = asked(pl.concat([rows.select(HIGH, LOW) for rows in partitions(150)[100:]]).unique())
    expected = everything.join(keys, on=[HIGH, LOW]).select("sequence", HIGH, LOW, LABELLED).rows()
    assert found(index_of(tmp_path, known), keys) == sorted(expected)


def test_a_lost_run_is_made_again(tmp_path: Path) -> None:
    """The folder is a cache: without it, and with another index's runs in it, the answers are the same."""
    known = partitions(20)
    keys = asked(known[3])
    before = found(index_of(tmp_path, known), keys)
    for path in tmp_path.iterdir():
        path.unlink()
    assert found(index_of(tmp_path, known), keys) == before


def test_partitions_of_other_times_are_not_looked_at(tmp_path: Path) -> None:
    """Where the key contains the time, only partitions that overlap the question's times are read."""
    known = partitions(3)
    loaded = []
    index = KeyIndex(tmp_path, lambda digest: loaded.append(digest) or known[int(digest)], by_time=True)
    index.extend(Member(lambda n=n: str(n), DAY.replace(day=n + 1), DAY.replace(day=n + 1)) for n in range(3))  # type: ignore[misc]
    micros = int(DAY.replace(day=2).timestamp() * 1e6)
    index.find(asked(pl.concat(known)).with_columns(time=pl.lit(micros)))
    assert loaded == ["1"]


@pytest.mark.parametrize("damage", [lambda _: b"", lambda data: data[: len(data) // 2], lambda data: data[:-7]])
def test_a_torn_run_is_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """After a power cut or a full disk no known row looks new."""
    port = Port(tmp_path)
    port.land("a.csv", *map(line, range(50)))
    port.ingest()
    for path in (tmp_path / "cache" / "keys").iterdir():
        path.write_bytes(damage(path.read_bytes()))
    port.land("b.csv", *map(line, range(51)))
    arrived = port.ingest()
    assert (arrived.duplicates, sum(p.rows for p in arrived.partitions)) == (50, 1)
