"""Known keys: what is found is what a plain join finds, however much is merged, lost, damaged or asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from arriving import Port, line

from arrivals import known_keys
from arrivals.contents import FEATURES, LABEL
from arrivals.keys import HIGH, LOW, ROW, SEQUENCE, TIME
from arrivals.known_keys import KnownKeys
from db.arrival_records import LedgerEntry

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
        labels = [number or None for number in draw.integers(0, 3, rows.height)]
        features = pl.Series(FEATURES, draw.integers(0, 3, rows.height), pl.UInt64)
        made.append(rows.with_columns(features, pl.Series(LABEL, labels, pl.UInt64)))
    return made


def keys_of(
    folder: Path, known: list[pl.DataFrame], *, meaning: str = "", by_time: bool = False
) -> tuple[KnownKeys, list[int]]:
    """The known keys of these partitions, a day each, and the partitions that were read for them."""
    loaded: list[int] = []

    def load(sequence: int) -> pl.DataFrame:
        loaded.append(sequence)
        return known[sequence - 1]

    keys = KnownKeys(folder, load, meaning=meaning, by_time=by_time)
    days = (DAY.replace(day=number % 28 + 1) for number in range(len(known)))
    keys.extend(LedgerEntry(str(number), day, day) for number, day in enumerate(days))
    return keys, loaded


def asked(rows: pl.DataFrame) -> pl.DataFrame:
    """Keys to ask for."""
    keys = rows.select(HIGH, LOW, pl.lit(DAY).dt.cast_time_unit("us").alias(TIME)).sort(HIGH)
    return keys.with_columns(pl.int_range(pl.len()).alias(ROW))


def found(known: KnownKeys, keys: pl.DataFrame) -> list[tuple[object, ...]]:
    """What is found, as (partition, key, features, label)."""
    finds = known.find(keys).join(keys.select(ROW, HIGH, LOW), on=ROW)
    return in_order(finds.select(SEQUENCE, HIGH, LOW, FEATURES, LABEL))


def in_order(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    """Rows by their values, also where a label is missing."""
    return rows.sort(rows.columns).rows()


@pytest.mark.parametrize("largest", [100, 1 << 24])
def test_they_are_found_as_a_join_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    """Every partition that has a key, through every level of merging, also where most files are too large to merge."""
    monkeypatch.setattr(known_keys, "LARGEST", largest)
    known = partitions(75)
    everything = pl.concat([rows.with_columns(pl.lit(n).alias(SEQUENCE)) for n, rows in enumerate(known, 1)])
    keys = asked(pl.concat([rows.select(HIGH, LOW) for rows in partitions(150)[100:]]).unique())
    expected = everything.join(keys, on=[HIGH, LOW]).select(SEQUENCE, HIGH, LOW, FEATURES, LABEL)
    assert found(keys_of(tmp_path, known)[0], keys) == in_order(expected)


def test_a_lost_file_is_made_again(tmp_path: Path) -> None:
    """The folder is a cache: what is found is the same without it, also if it vanishes between two questions."""
    known = partitions(20)
    keys = asked(known[3])
    before = found(keys_of(tmp_path / "keys", known)[0], keys)
    asked_twice, _ = keys_of(tmp_path / "keys", known)
    assert found(asked_twice, keys) == before
    shutil.rmtree(tmp_path / "keys")
    asked_twice.cut(0)
    asked_twice.extend(LedgerEntry(str(number), DAY, DAY) for number in range(len(known)))
    assert found(asked_twice, keys) == before
    shutil.rmtree(tmp_path / "keys")
    assert found(keys_of(tmp_path / "keys", known)[0], keys) == before


def test_files_that_are_whole_are_not_made_again(tmp_path: Path) -> None:
    """Another process reads no partition that was read for its keys before."""
    known = partitions(20)
    found(keys_of(tmp_path, known)[0], asked(known[3]))
    again, loaded = keys_of(tmp_path, known)
    found(again, asked(known[3]))
    assert loaded == []


def test_files_of_another_meaning_are_not_read(tmp_path: Path) -> None:
    """Where the schema has other columns, the numbers of the same partitions are others."""
    known = partitions(20)
    found(keys_of(tmp_path, known)[0], asked(known[3]))
    again, loaded = keys_of(tmp_path, known, meaning="another column")
    found(again, asked(known[3]))
    assert loaded


def test_partitions_of_other_times_are_not_asked(tmp_path: Path) -> None:
    """Where the key contains the time, only partitions that overlap the question's times are read."""
    known = partitions(3)
    keys, loaded = keys_of(tmp_path, known, by_time=True)
    keys.find(asked(pl.concat(known)).with_columns(pl.lit(DAY.replace(day=2)).dt.cast_time_unit("us").alias(TIME)))
    assert loaded == [2]


def flipped(data: bytes) -> bytes:
    """As many bytes, the one in the middle another."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("kind", [".parquet", ".crc32"])
@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda data: data[: len(data) // 2], lambda data: data[:-7], flipped]
)
def test_a_damaged_file_is_made_again(tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]) -> None:
    """After a power cut, a full disk or a change at equal length no known row looks new."""
    port = Port(tmp_path)
    port.land("a.csv", *map(line, range(50)))
    port.ingest()
    for path in (tmp_path / "cache" / "keys").glob(f"*{kind}"):
        path.write_bytes(damage(path.read_bytes()))
    port.land("b.csv", *map(line, range(51)))
    arrived = port.ingest()
    assert (arrived.duplicates, sum(p.rows for p in arrived.partitions)) == (50, 1)


def test_a_file_of_other_keys_is_not_believed(tmp_path: Path) -> None:
    """A whole file that lies where another belongs is made again."""
    port = Port(tmp_path)
    port.land("a.csv", *map(line, range(30)))
    port.land("b.csv", *map(line, range(30, 50)))
    port.ingest()
    one, other = sorted((tmp_path / "cache" / "keys").glob("*.parquet"))
    for suffix in (".parquet", ".crc32"):
        one.with_suffix(suffix).write_bytes(other.with_suffix(suffix).read_bytes())
    port.land("c.csv", *map(line, range(51)))
    assert port.ingest().duplicates == 50


def test_the_cache_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    """Everything under cache/ can be made again."""
    port = Port(tmp_path)
    port.land("a.csv", *map(line, range(50)))
    port.ingest()
    shutil.rmtree(tmp_path / "cache")
    port.land("b.csv", *map(line, range(51)))
    assert port.ingest().duplicates == 50
