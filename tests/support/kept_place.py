"""A registry and its files, as runs leave them behind, for tests of what is kept of both."""

from __future__ import annotations

from pathlib import Path

from filled import MODEL, START, promote

from db.arrival_records import NewArrival, NewLandedFile, NewPartition
from db.artifacts import ArtifactStore
from db.records import NewVersion, RunEnding
from db.registry import ModelRegistry
from evergreen_client.artifacts import StoredArtifact


class Place:
    """A registry and its files, with a folder to back them up into."""

    def __init__(self, registry: ModelRegistry, folder: Path) -> None:
        self.registry, self.folder = registry, folder
        self.store = ArtifactStore(str(folder / "artifacts"), folder / "cache")
        self.backup = folder / "backup"

    def put(self, kind: str, name: str) -> StoredArtifact:
        """Store a small file."""
        path = self.folder / f"{name}.bin"
        path.write_text(f"{kind} {name}")
        return self.store.put(path, kind=kind, digest=name)

    def run(self, number: int) -> None:
        """What a run leaves: a partition, a version that learned from it, its promotion, an ending."""
        run = self.registry.start_run(MODEL, trigger="by hand")
        rows, head = self.put("partition", f"p{number}"), self.put("head", f"h{number}")
        file = NewLandedFile(f"landing/{number}.csv", f"{number}", "rules", "ingest", rows=3, taken=3)
        partition = NewPartition(
            MODEL, rows.digest, file.uri, rows.uri, rows.sha256, rows.bytes, 3, 1, 3, time_from=START, time_to=START
        )
        seen = len(self.registry.ledger(MODEL))
        self.registry.record_arrival(NewArrival(MODEL, seen, file, (partition,)))
        parent = number - 1 or None
        plan = {"b": [1, 0.5, None], "a": "é", "rate": float("nan")}
        new = NewVersion(MODEL, run.id, parent, self.put("base", "shared"), head, plan=plan, trained=(rows.digest,))
        self.registry.register(new)
        self.registry.record_metrics(MODEL, number, {"log_loss": 0.5, "auc": float("nan")})
        promote(self.registry, number)
        self.registry.finish_run(run.id, RunEnding("promoted", "promote", "it is better"), timings={"fit": 1.5})
