"""What arrived, as it goes into the registry and comes out of it: frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from evergreen_client.artifacts import StoredArtifact

PartitionKind = Literal["rows", "labels", "corrections"]
RefusalKind = Literal["refused", "conflict"]


@dataclass(frozen=True)
class NewPartition:
    """A partition whose file is stored already."""

    model: str
    digest: str
    source_uri: str
    uri: str
    sha256: str
    bytes: int
    rows: int
    holdout_rows: int
    labelled_rows: int
    time_from: datetime
    time_to: datetime
    late: bool = False
    run_id: int | None = None
    kind: PartitionKind = "rows"


@dataclass(frozen=True, kw_only=True)
class PartitionRecord(NewPartition):
    """Rows that arrived together, immutable.

    Of kind "labels" if they had been taken before, without label; of kind "corrections" if with other values.
    """

    arrived_at: datetime

    @property
    def artifact(self) -> StoredArtifact:
        """The partition's Parquet file."""
        return StoredArtifact(self.digest, "partition", self.uri, self.sha256, self.bytes)


@dataclass(frozen=True)
class RecallRecord:
    """A partition was recalled; these versions learned from it, or descend from one that did."""

    partition: PartitionRecord
    tainted: tuple[int, ...]


@dataclass(frozen=True)
class NewRefusal:
    """Rows of one landed file, refused for one reason, kept at `uri`; of a conflict both rows are kept."""

    rows: int
    reason: str
    uri: str | None = None
    kind: RefusalKind = "refused"


@dataclass(frozen=True)
class NewLandedFile:
    """A landed file that was read or refused, and what became of its rows.

    Args:
        uri: where it lies.
        stamp: digest of the uri and of which content of it this is.
        rules: digest of the schema it was judged by.
        ingest: names the ingest that read it.
        attempt: how often it was read before, for labels that wait for their rows.
        sha256: of its bytes; None where it was not read.
        cursor: last cursor value, for rows from a database.
        bytes: its size.
        rows: rows in it, and of them:
        taken: in partitions,
        duplicates: taken before with these values,
        conflicts: taken before with other values,
        refused: bad,
        waiting: labels whose row has not arrived.
        late: of those taken, older than what had been seen.
        reason: why it was refused as a whole; None if it was not.
    """

    uri: str
    stamp: str
    rules: str
    ingest: str
    attempt: int = 0
    sha256: str | None = None
    cursor: str | None = None
    bytes: int = 0
    rows: int = 0
    taken: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    waiting: int = 0
    late: int = 0
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class LandedRecord(NewLandedFile):
    """A landed file as recorded."""

    id: int
    run_id: int | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class RefusalRecord(NewRefusal):
    """Rows refused, as recorded."""

    source_uri: str
    at: datetime


@dataclass(frozen=True)
class Superseded:
    """So many rows of one partition have newer ones in a later partition, of kind "corrections"; both by digest."""

    partition: str
    by: str
    rows: int


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
        superseded: which partitions have newer rows in one of these.
    """

    model: str
    seen: int
    file: NewLandedFile
    partitions: tuple[NewPartition, ...] = ()
    refusals: tuple[NewRefusal, ...] = ()
    run_id: int | None = None
    superseded: tuple[Superseded, ...] = ()


class LedgerEntry(NamedTuple):
    """A partition as an intake needs it, recalled ones too; a plain tuple, since an ingest reads every one there is."""

    digest: str
    time_from: datetime
    time_to: datetime


@dataclass(frozen=True)
class IngestRecord:
    """The rows that one ingest read: how many, how many of them refused, and how many partitions still count."""

    rows: int
    refused: int
    live: int
