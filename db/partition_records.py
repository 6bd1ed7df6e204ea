"""What an intake writes into the registry and reads back: frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from db.records import NewPartition


@dataclass(frozen=True)
class NewRejection:
    """Rows of one landed file, refused for one reason, kept at `uri`."""

    rows: int
    reason: str
    uri: str | None = None


@dataclass(frozen=True)
class NewLanding:
    """A landed file that was looked at, and what became of its rows.

    Args:
        uri: where it lies.
        stamp: digest of the uri and of which content of it this is.
        rules: digest of the schema it was judged by.
        batch: names the intake that looked at it.
        attempt: how often it was looked at before, for labels that wait for their rows.
        sha256: of its bytes; None where it was not read.
        cursor: last cursor value, for rows from a database.
        bytes: its size.
        rows: rows in it, and of them:
        taken: in partitions,
        duplicates: taken before,
        rejected: refused,
        waiting: labels whose row has not arrived.
        late: of those taken, older than what had been seen.
        reason: why it was set aside as a whole; None if it was not.
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
class RejectionRecord:
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
        landing: the file.
        partitions: stored partitions.
        rejections: refused rows.
        run_id: the run that took it.
    """

    model: str
    seen: int
    landing: NewLanding
    partitions: tuple[NewPartition, ...] = ()
    rejections: tuple[NewRejection, ...] = ()
    run_id: int | None = None


class LedgerEntry(NamedTuple):
    """A partition as an intake needs it, revoked ones too; a plain tuple, for an intake reads every one there is."""

    digest: str
    time_from: datetime
    time_to: datetime


class Look(NamedTuple):
    """What the newest look at a content of a file came to."""

    rules: str
    attempt: int
    waiting: int
    reason: str | None


@dataclass(frozen=True)
class BatchRecord:
    """The rows that one intake looked at: how many, how many of them bad, and how many partitions still count."""

    rows: int
    rejected: int
    live: int
