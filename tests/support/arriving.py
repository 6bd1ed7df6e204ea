"""A small model with a landing folder, a registry and a store of its own: what tests of arrivals share."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from arrivals.ingest import ingest
from arrivals.ingest_result import IngestResult
from db.arrival_records import LandedRecord, PartitionRecord
from db.artifacts import ArtifactStore
from db.registry import ModelRegistry, open_registry
from learning.objectives import Binary
from learning.spec import ModelSpec, Schema, Source

SCHEMA = Schema(
    time="at",
    key=("id", "at"),
    target="late",
    numeric=("speed",),
    categorical=("city",),
    nullable=("speed",),
    ranges={"speed": (0, 100)},
    allowed={"city": ("Oslo", "Rome")},
)
HEADER = "at,id,speed,city,late"


def unbuilt(*_: Any) -> Any:
    """Stand in for a builder: nothing is trained here."""
    raise AssertionError


SPEC = ModelSpec(
    name="small",
    schema=SCHEMA,
    objective=Binary(),
    source=Source("small", settle=0.0, max_bad_share=1.0),
    build_base=unbuilt,
    build_head=unbuilt,
)


def line(number: int, *, day: int = 1, speed: str = "10", city: str = "Oslo", late: str = "1") -> str:
    """One good row as CSV."""
    return f"2024-01-{day:02}T00:00:{number % 60:02}Z,{number},{speed},{city},{late}"


@cache
def empty_registry() -> bytes:
    """A registry's file without rows: hundreds of tests copy one, and making one takes a fifth of a second."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "registry.db"
        open_registry(f"sqlite:///{path}").close()
        return path.read_bytes()


def new_registry(path: Path) -> ModelRegistry:
    """Open the registry at a path; where there is none yet, as a copy of an empty one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(empty_registry())
    return open_registry(f"sqlite:///{path}")


@dataclass
class Port:
    """Where a small model's rows arrive; its registry is in SQLite, unless `database` says where."""

    home: Path
    spec: ModelSpec = SPEC
    database: str = ""

    def __post_init__(self) -> None:
        """Open the registry and the store."""
        local = self.home / "registry.db"
        self.registry = open_registry(self.database) if self.database else new_registry(local)
        self.store = ArtifactStore(str(self.home / "artifacts"), self.home / "cache")
        self.folder = self.home / "landing" / "small"
        self.make_folders()

    def make_folders(self) -> None:
        """Make the folders where rows and labels land."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.home / "landing" / self.spec.source.labels).mkdir(parents=True, exist_ok=True)

    def with_source(self, **changes: Any) -> Port:
        """The same port, with another source, and the very registry: hundreds of tests would open it twice."""
        port = copy(self)
        port.spec = replace(self.spec, source=replace(self.spec.source, **changes))
        port.make_folders()
        return port

    def land(self, name: str, *lines: str, header: str = HEADER) -> Path:
        """Land a CSV file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{text}\n" for text in (header, *lines)))
        return path

    def ingest(self, run_id: int | None = None) -> IngestResult:
        """Take what arrived, perhaps on behalf of a run."""
        home = {"landing": str(self.home / "landing"), "cache": self.home / "cache"}
        return ingest(self.spec, self.registry, self.store, **home, run_id=run_id)  # type: ignore[arg-type]

    def partitions(self) -> tuple[PartitionRecord, ...]:
        """Every partition that counts."""
        return self.registry.partitions(self.spec.name)

    def landed(self) -> tuple[LandedRecord, ...]:
        """Every landed file."""
        return self.registry.landed_files(self.spec.name)

    def rows(self, partition: PartitionRecord) -> pl.DataFrame:
        """A partition's rows."""
        return pl.read_parquet(self.store.fetch(partition.artifact))

    def every_row(self) -> pl.DataFrame:
        """The rows of all partitions."""
        return pl.concat([self.rows(partition) for partition in self.partitions()])
