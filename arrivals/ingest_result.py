"""What an ingest took, file by file, and the sentence that is said of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.arrival_records import NewLandedFile, PartitionRecord


@dataclass(frozen=True)
class IngestResult:
    """What an ingest took.

    Args:
        partitions: those that it recorded.
        files: read or refused, and not before.
        rows: in them, and of these:
        duplicates: taken before,
        refused: kept aside, each with its reason,
        waiting: labels whose row has not arrived yet.
        late: of the rows taken, those older than what had been seen.
        refused_files: files of which nothing could be taken.
        reasons: a sentence for each file that was refused or left for later.
    """

    partitions: tuple[PartitionRecord, ...] = ()
    files: int = 0
    rows: int = 0
    duplicates: int = 0
    refused: int = 0
    waiting: int = 0
    late: int = 0
    refused_files: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The figures in a sentence."""
        if not self.files:
            return "no new files"
        taken = sum(partition.rows for partition in self.partitions)
        parts = {
            "duplicates": self.duplicates,
            "refused": self.refused,
            "labels waiting for their rows": self.waiting,
            "late": self.late,
        }
        rest = "".join(f", {count:,} {what}" for what, count in parts.items() if count)
        whole = f"; {self.refused_files} refused as a whole" if self.refused_files else ""
        return f"{self.files:,} new files with {self.rows:,} rows: {taken:,} taken{rest}{whole}"

    def with_file(self, landed: NewLandedFile, partitions: tuple[PartitionRecord, ...]) -> IngestResult:
        """The result, a landed file further."""
        return replace(
            self,
            partitions=(*self.partitions, *partitions),
            files=self.files + 1,
            rows=self.rows + landed.rows,
            duplicates=self.duplicates + landed.duplicates,
            refused=self.refused + landed.refused,
            waiting=self.waiting + landed.waiting,
            late=self.late + landed.late,
            refused_files=self.refused_files + bool(landed.reason),
        )

    def with_reason(self, uri: str, reason: str) -> IngestResult:
        """The result, and why a file was refused or left for later."""
        return replace(self, reasons=(*self.reasons, f"{uri}: {reason}"))
