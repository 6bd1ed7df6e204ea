"""Rows of partitions as events: those that a consumer has not had, oldest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from arrivals.events import PLACE, events
from arrivals.keys import HIGH, LOW, key_hashes

if TYPE_CHECKING:
    from arrivals.event_sources import Portion
    from arrivals.newest import NewestRows
    from db.arrival_records import PartitionRecord

ReadRows = Callable[[Path], pl.DataFrame]


@dataclass(frozen=True)
class At:
    """A place among partitions.

    Args:
        done: sequence numbers of those that are over.
        inside: digest of the one that is being read; "" for none.
        row: how many of its rows were read.
    """

    done: frozenset[int]
    inside: str = ""
    row: int = 0

    def __str__(self) -> str:
        return json.dumps({"done": ranges(self.done), "inside": self.inside, "row": self.row})

    @classmethod
    def of(cls, position: str) -> At:
        """The place that a position says."""
        found = json.loads(position)
        return cls(numbers(found["done"]), found["inside"], found["row"])


class PartitionEvents:
    """The model's partitions, as they become ready.

    Args:
        newest: gives their rows, without those that were corrected.
        read_rows: reads a partition's file, as the schema has it now.
    """

    checked, ends = True, False

    def __init__(self, newest: NewestRows, read_rows: ReadRows = pl.read_parquet) -> None:
        self._read_rows, self._newest, self._registry, self._spec = read_rows, newest, newest.registry, newest.spec
        self.told, self.ended = list[str](), False
        self._read: tuple[str, pl.DataFrame] = ("", pl.DataFrame())
        self._digests = list[str]()  # of every partition, recalled ones too, in the order of their sequence numbers
        self._idle = -1  # how many there were when nothing was left to read

    def begin(self) -> str:
        """Behind what the champion's line has learned."""
        return str(At(frozenset(self._learned_by_champion())))

    def past(self, position: str) -> str:
        """The position without what the champion, which may be another one by now, has learned."""
        at = At.of(position)
        return str(replace(at, done=at.done | self._learned_by_champion()))

    def read(self, position: str, most: int) -> Portion:
        """The next rows of one partition."""
        at = At.of(position)
        if len(self._names()) == self._idle:
            return []
        for number, partition in self._left(at).items():
            rows = self._rows(partition)
            start = at.row if at.inside == partition.digest else 0
            over = At(at.done | {number})
            chosen = rows.filter(pl.col(PLACE) >= start).head(most)
            places = [At(at.done, partition.digest, place + 1) for place in chosen[PLACE]]
            if places and chosen[PLACE][-1] == rows[PLACE][-1]:
                places[-1] = over
            if places:
                found = events(chosen.drop(PLACE), self._spec.schema)
                return [(one, str(place)) for one, place in zip(found, places, strict=True)]
            at = over  # all of its rows were corrected, or it was over when it was recalled in part
        self._idle = len(self._digests)
        return []

    def behind(self, position: str) -> int:
        """Rows that were not read."""
        at = At.of(position)
        left = self._left(at).values()
        return sum(one.rows - at.row * (one.digest == at.inside) for one in left)

    def lineage(self, since: str, until: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Digests of the partitions that lie between two positions as a whole, and in part."""
        first, last = At.of(since), At.of(until)
        names = self._names()
        whole = [digest for number, digest in names.items() if number in last.done - first.done]
        begun = (first.inside,) if first.inside and first.row else ()  # who learns on from here has not had all of it
        part = [last.inside] * bool(last.row) + [one for one in whole if one in begun]
        return tuple(one for one in whole if one not in begun), tuple(dict.fromkeys(filter(None, part)))

    def spoiled(self, since: str, until: str) -> bool:
        """Whether any partition between two positions was recalled."""
        first, last = At.of(since), At.of(until)
        recalled = self._registry.recalled(self._spec.name)
        begun = last.inside if (last.inside, last.row) != (first.inside, first.row) else ""  # else nothing of it is new
        inside = {number for number, digest in self._names().items() if digest == begun}
        return bool(recalled & ((last.done - first.done) | inside))

    def _left(self, at: At) -> dict[int, PartitionRecord]:
        """Those that are not over, by number: the one that is being read first, then by time."""
        number_of = {digest: number for number, digest in self._names().items()}
        ready = (p for p in self._registry.partitions(self._spec.name) if number_of[p.digest] not in at.done)
        wanted = [p for p in ready if not p.late or self._spec.source.late == "train"]
        return {number_of[p.digest]: p for p in sorted(wanted, key=lambda one: one.digest != at.inside)}

    def _rows(self, partition: PartitionRecord) -> pl.DataFrame:
        """The rows of a partition that were not corrected, each with its place, which stays whatever is corrected."""
        ((digest, path),) = self._newest.files([partition])
        if self._read[0] != digest:
            schema = self._spec.schema
            stored = self._newest.store.fetch(partition.artifact)
            rows = self._read_rows(stored).with_row_index(PLACE)
            if path != stored:
                left = key_hashes(pl.read_parquet(path), schema.key)
                keyed = pl.concat([rows, key_hashes(rows, schema.key)], how="horizontal")
                rows = keyed.join(left, on=[HIGH, LOW], how="semi", maintain_order="left").drop(HIGH, LOW)
            self._read = digest, rows
        return self._read[1]

    def _learned_by_champion(self) -> set[int]:
        champion = self._registry.champion(self._spec.name)
        learned = {p.digest for p in self._registry.trained_on(self._spec.name, champion.number)}
        return {number for number, digest in self._names().items() if digest in learned}

    def _names(self) -> dict[int, str]:
        """Every partition's digest, recalled ones too, by its sequence number."""
        new = self._registry.ledger(self._spec.name, after=len(self._digests))
        self._digests += (entry.digest for entry in new)
        return dict(enumerate(self._digests, 1))


def ranges(found: Iterable[int]) -> str:
    """Whole numbers in as few words as may be.

    Example:
        >>> ranges({1, 2, 3, 7})
        '1-3,7'
    """
    parts: list[list[int]] = []
    for number in sorted(found):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in parts)


def numbers(text: str) -> frozenset[int]:
    """Whole numbers as `ranges` writes them.

    Example:
        >>> sorted(numbers("1-3,7"))
        [1, 2, 3, 7]
    """
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)
