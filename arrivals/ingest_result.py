"""What an ingest took, counted file by file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.arrival_records import NewLandedFile, PartitionRecord


@dataclass
class IngestResult:
    """What an ingest took.

    Args:
        partitions: those that it recorded.
        files: read or refused, and not before.
        rows: in them, and of these:
        duplicates: taken before with the same values,
        conflicts: taken before with other values,
        refused: kept aside, each with its reason,
        waiting: labels whose row has not arrived yet.
        late: of the rows taken, those older than what had been seen.
        refused_files: files of which nothing could be taken.
        reasons: a sentence for each file that was refused or left for later.
        attention: a sentence for each thing that a person should look at.
    """

    partitions: tuple[PartitionRecord, ...] = ()
    files: int = 0
    rows: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    waiting: int = 0
    late: int = 0
    refused_files: int = 0
    reasons: list[str] = field(default_factory=list)
    attention: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The figures in a sentence."""
        if not self.files:
            return "no new files"
        taken = sum(partition.rows for partition in self.partitions)
        parts = {
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "refused": self.refused,
            "labels waiting for their rows": self.waiting,
            "late": self.late,
        }
        rest = "".join(f", {count:,} {what}" for what, count in parts.items() if count)
        whole = f"; {self.refused_files} refused as a whole" if self.refused_files else ""
        files = "1 new file" if self.files == 1 else f"{self.files:,} new files"
        return f"{files} with {self.rows:,} rows: {taken:,} taken{rest}{whole}"

    def add(self, landed: NewLandedFile, partitions: tuple[PartitionRecord, ...]) -> None:
        """Count one more landed file."""
        self.partitions += partitions
        self.files += 1
        self.rows += landed.rows
        self.duplicates += landed.duplicates
        self.conflicts += landed.conflicts
        self.refused += landed.refused
        self.waiting += landed.waiting
        self.late += landed.late
        self.refused_files += bool(landed.reason)
