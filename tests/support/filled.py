"""A registry with something in it, in as few words as a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from db.arrival_records import NewArrival, NewLandedFile, NewPartition, PartitionRecord
from db.records import NewVersion, VersionRecord
from db.registry import ModelRegistry
from evergreen_client.artifacts import StoredArtifact

MODEL = "flights"
START = datetime(2013, 1, 1, tzinfo=UTC)


def stored(kind: str, name: str) -> StoredArtifact:
    """The record of a file that was never written, for tests that do not read it."""
    return StoredArtifact(f"{kind}-{name}", kind, f"{kind}/{name}.keras", "0" * 64, 12)


def add_partition(registry: ModelRegistry, name: str, day: int = 1, model: str = MODEL) -> PartitionRecord:
    """Add a partition of one day of 2013."""
    time_from = START + timedelta(days=day - 1)
    partition = NewPartition(
        model=model,
        digest=name,
        source_uri=f"landing/{name}.csv",
        uri=f"partition/{name}.parquet",
        sha256="0" * 64,
        bytes=1000,
        rows=100,
        holdout_rows=20,
        labelled_rows=90,
        time_from=time_from,
        time_to=time_from + timedelta(hours=23),
    )
    file = NewLandedFile(partition.source_uri, name, "rules", "ingest", rows=100, taken=100)
    seen = len(registry.ledger(model))
    return registry.record_arrival(NewArrival(model, seen, file, (partition,)))[0]


def model_names(registry: ModelRegistry) -> list[str]:
    """The names of all models, in alphabetical order."""
    with registry.engine.connect() as connection:
        return list(connection.scalars(text("SELECT name FROM model ORDER BY name")))


def add_version(
    registry: ModelRegistry, parent: int | None = None, trained: Sequence[str] = (), **changes: object
) -> VersionRecord:
    """Register a version with a head of its own on a shared base."""
    new = NewVersion(
        model=MODEL,
        run_id=None,
        parent=parent,
        base=stored("base", "shared"),
        head=stored("head", f"{parent}-{'-'.join(trained)}-{changes.get('metrics')}"),
        trained=tuple(trained),
    )
    return registry.register(replace(new, **changes))  # type: ignore[arg-type]


def promote(registry: ModelRegistry, number: int, reason: str = "it is better") -> None:
    """Promote a version over whatever is in production."""
    seen = registry.sequence(MODEL)
    kind = "promote" if seen else "bootstrap"
    registry.promote(MODEL, number, seen=seen, kind=kind, actor="test", reason=reason)  # type: ignore[arg-type]


def three_champions(registry: ModelRegistry) -> None:
    """Versions 1, 2 and 3, each fine-tuned from the one before on partition p1, p2, p3, each promoted."""
    for number in (1, 2, 3):
        add_partition(registry, f"p{number}", day=number)
        add_version(registry, parent=number - 1 or None, trained=[f"p{number}"])
        promote(registry, number)
