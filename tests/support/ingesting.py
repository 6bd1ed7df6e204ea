"""One process that takes what arrived, once it is told to."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from arriving import Port


def take(told: Connection, home: Path, database: str, corrections: str) -> None:
    """Say that all is ready, wait for a word, and answer with what was taken."""
    port = Port(home, database=database).with_source(corrections=corrections)
    told.send("ready")
    told.recv()
    told.send([partition.digest for partition in port.ingest().partitions])
