"""Copies of an SQLite registry as it was between two runs, so that whatever is killed goes on from there."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from evergreen_client.durable import written_whole

BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a database while it is open


def save_snapshot(database: Path, snapshot: Path) -> None:
    """Copy an open database as it is now; the copy appears whole or not at all."""
    with (
        written_whole(snapshot) as temporary,
        closing(sqlite3.connect(database)) as here,
        closing(sqlite3.connect(temporary)) as there,
    ):
        here.backup(there)


def restore_snapshot(snapshot: Path, database: Path) -> None:
    """Put a copy in the place of a database that nobody has open."""
    database.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", *BESIDE):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    shutil.copy(snapshot, database)
