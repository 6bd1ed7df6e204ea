"""Events of a stream that are still of use: keys that came, predictions whose label may come, rows that prove.

They lie in a file of this machine, while the registry says how far a consumer has come. So that both say the same after
a crash, every row here knows the checkpoint it was written for (`born`) and the one it was of no more use for (`died`):
`restore` takes back what was written for a checkpoint that the registry never got.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

KEYS = 1_000_000  # the newest so many are known; an event that comes again later than that is learned again
TABLES = """
CREATE TABLE IF NOT EXISTS checkpoint (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, born INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS unlabelled (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, line TEXT NOT NULL, prediction TEXT NOT NULL, version INTEGER NOT NULL,
    at REAL NOT NULL, born INTEGER NOT NULL, died INTEGER
);
CREATE INDEX IF NOT EXISTS unlabelled_key ON unlabelled (key) WHERE died IS NULL;
CREATE INDEX IF NOT EXISTS unlabelled_at ON unlabelled (at) WHERE died IS NULL;
CREATE TABLE IF NOT EXISTS proof (
    id INTEGER PRIMARY KEY, line TEXT NOT NULL, label REAL NOT NULL, born INTEGER NOT NULL, died INTEGER
);
"""


@dataclass(frozen=True)
class Unlabelled:
    """An event that was predicted before its label was known.

    Args:
        row: its columns.
        prediction: what was predicted, an output each.
        version: number of the version that learning had gone on from by then.
    """

    row: dict[str, Any]
    prediction: list[float]
    version: int


class Remembered:
    """The file; what is done to it between two checkpoints is there whole, or not at all.

    Args:
        path: where it lies, or is made.
        checkpoint: number of the registry's newest checkpoint; 0 if there is none.

    Example:
        >>> with Remembered(Path("stream.db"), checkpoint=0) as remembered:
        ...     first, again = remembered.is_new("17"), remembered.is_new("17")
        ...     remembered.keep("17", {"speed": 1.5}, [0.25], version=1, at=0.0)
        ...     remembered.commit(1)
        ...     remembered.labelled("17")
        Unlabelled(row={'speed': 1.5}, prediction=[0.25], version=1)
        >>> first, again
        (True, False)
    """

    def __init__(self, path: Path, checkpoint: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        # The registry's row says that this is there: so it must be on the disk first, also after a power cut.
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(TABLES)
        self._file.execute("BEGIN")
        self._next = checkpoint + 1
        self.behind = checkpoint > self._one("SELECT coalesce(max(number), 0) FROM checkpoint")
        self._restore(checkpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # what was not committed was not done

    def commit(self, number: int) -> None:
        """Write all of it to the disk, for a checkpoint that the registry is about to get."""
        self._file.execute("DELETE FROM checkpoint")
        self._file.execute("INSERT INTO checkpoint VALUES (?)", [number])
        self._file.execute("COMMIT")
        self._file.execute("BEGIN")

    def settle(self, number: int) -> None:
        """Remove what died, once the registry has the checkpoint."""
        self._next = number + 1
        for table in ("unlabelled", "proof"):
            self._file.execute(f"DELETE FROM {table} WHERE died <= ?", [number])  # noqa: S608 - our own names
        oldest = self._one("SELECT coalesce(max(id), 0) FROM seen WHERE born <= ?", number) - KEYS
        self._file.execute("DELETE FROM seen WHERE id <= ?", [oldest])

    def is_new(self, key: str) -> bool:
        """Whether no event of this key came among the newest ones; from now on one has."""
        known = self._file.execute("SELECT id FROM seen WHERE key = ?", [key]).fetchone()
        if known and known[0] > self._one("SELECT max(id) FROM seen") - KEYS:
            return False
        self._file.execute("INSERT OR REPLACE INTO seen (key, born) VALUES (?, ?)", [key, self._next])
        return True

    def keep(self, key: str, row: dict[str, Any], prediction: list[float], *, version: int, at: float) -> None:
        """Remember an event until its label comes.

        Args:
            key: names the event.
            row: its columns, as JSON can hold them.
            prediction: what was predicted of it.
            version: number of the version that predicted.
            at: its time, in seconds.
        """
        values = [key, json.dumps(row), json.dumps(prediction), version, at, self._next]
        columns = "(key, line, prediction, version, at, born)"
        self._file.execute(f"INSERT INTO unlabelled {columns} VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def labelled(self, key: str) -> Unlabelled | None:
        """The event that waits for this label, which waits no more; None if there is none."""
        found = self._file.execute(
            "UPDATE unlabelled SET died = ? WHERE key = ? AND died IS NULL RETURNING line, prediction, version",
            [self._next, key],
        ).fetchone()
        return Unlabelled(json.loads(found[0]), json.loads(found[1]), found[2]) if found else None

    def expire(self, before: float, most: int) -> int:
        """Give up events from before a time, and the oldest where there are too many; returns how many."""
        waiting = "FROM unlabelled WHERE died IS NULL"
        too_many = f"SELECT id {waiting} ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?"
        old = f"SELECT id {waiting} AND at < ?"
        gone = f"UPDATE unlabelled SET died = ? WHERE id IN ({too_many}) OR id IN ({old})"  # noqa: S608
        return self._file.execute(gone, [self._next, most, before]).rowcount

    @property
    def waiting(self) -> int:
        """How many events wait for their label."""
        return self._one("SELECT count(*) FROM unlabelled WHERE died IS NULL")

    def prove(self, row: dict[str, Any], label: float) -> None:
        """Keep a labelled row, on which a challenger is to be proven."""
        self._file.execute(
            "INSERT INTO proof (line, label, born) VALUES (?, ?, ?)", [json.dumps(row), label, self._next]
        )

    def proof(self) -> Iterator[tuple[dict[str, Any], float]]:
        """The rows that prove the present challenger, in the order in which their labels came."""
        for line, label in self._file.execute("SELECT line, label FROM proof WHERE died IS NULL ORDER BY id"):
            yield json.loads(line), label

    def proof_labels(self) -> dict[float, int]:
        """How many of them have which label."""
        return dict(self._file.execute("SELECT label, count(*) FROM proof WHERE died IS NULL GROUP BY label"))

    def end_proof(self) -> None:
        """Begin anew, for another challenger."""
        self._file.execute("UPDATE proof SET died = ? WHERE died IS NULL", [self._next])

    def _restore(self, number: int) -> None:
        """Take back what was written for checkpoints that the registry never got."""
        for table in ("seen", "unlabelled", "proof"):
            self._file.execute(f"DELETE FROM {table} WHERE born > ?", [number])  # noqa: S608
        for table in ("unlabelled", "proof"):
            self._file.execute(f"UPDATE {table} SET died = NULL WHERE died > ?", [number])  # noqa: S608
        self.settle(number)

    def _one(self, query: str, *values: Any) -> int:
        found: int = self._file.execute(query, values).fetchone()[0]
        return found
