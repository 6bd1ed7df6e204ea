"""What an ingest writes into the registry and reads back: frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from db.records import NewPartition


@dataclass(frozen=True)
class NewRefusal:
    """Rows of one landed file, refused for one reason, kept at `uri`."""

    rows: int
    reason: str
    uri: str | None = None


@dataclass(frozen=True)
class NewLandedFile:
    """A landed file that was read or refused, and what became of its rows.

    Args:
        uri: where it lies.
        stamp: digest of the uri and of which content of it this is.
        rules: digest of the schema it was judged by.
        batch: names the ingest that read it.
        attempt: how often it was read before, for labels that wait for their rows.
        sha256: of its bytes; None where it was not read.
        cursor: last cursor value, for rows from a database.
        bytes: its size.
        rows: rows in it, and of them:
        taken: in partitions,
        duplicates: taken before,
        rejected: refused,
        waiting: labels whose row has not arrived.
        late: of those taken, older than what had been seen.
        reason: why it was refused as a whole; None if it was not.
    """

    uri: str
    stamp: str
    rules: str
    batch: str
    attempt: int = 0
    sha256: str | None = None
    cursor: str | None = None
    bytes: int = 0
    rows: int = 0
    taken: int = 0
    duplicates: int = 0
    rejected: int = 0
    waiting: int = 0
    late: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class LandedRecord:
    """A landed file as recorded."""

    id: int
    uri: str
    stamp: str
    rules: str
    batch: str
    attempt: int
    sha256: str | None
    cursor: str | None
    bytes: int
    rows: int
    taken: int
    duplicates: int
    rejected: int
    waiting: int
    late: int
    reason: str | None
    run_id: int | None
    at: datetime


@dataclass(frozen=True)
class RefusalRecord:
    """Rows refused, as recorded."""

    source_uri: str
    rows: int
    reason: str
    uri: str | None
    at: datetime


@dataclass(frozen=True)
class NewArrival:
    """One landed file's outcome: its facts, its partitions in order, its refused rows.

    Args:
        model: name of the model.
        seen: sequence of the newest partition among which duplicates were looked for.
        file: the landed file.
        partitions: stored partitions.
        refusals: refused rows.
        run_id: the run that took it.
    """

    model: str
    seen: int
    file: NewLandedFile
    partitions: tuple[NewPartition, ...] = ()
    refusals: tuple[NewRefusal, ...] = ()
    run_id: int | None = None


class LedgerEntry(NamedTuple):
    """A partition as an intake needs it, recalled ones too; a plain tuple, since an ingest reads every one there is."""

    digest: str
    time_from: datetime
    time_to: datetime


class EarlierOutcome(NamedTuple):
    """What the newest reading of one content of a file came to."""

    rules: str
    attempt: int
    waiting: int
    reason: str | None


@dataclass(frozen=True)
class IngestRecord:
    """The rows that one ingest read: how many, how many of them refused, and how many partitions still count."""

    rows: int
    rejected: int
    live: int
