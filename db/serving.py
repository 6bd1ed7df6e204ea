"""What a service loads: the champion's verified files, and which of them changed since it last looked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db.artifacts import ArtifactStore
from db.records import VersionRecord
from db.registry import ModelRegistry


@dataclass(frozen=True)
class ServedVersion:
    """The champion's files on this machine, verified.

    Args:
        version: the champion.
        base: local path of its base.
        head: local path of its head.
    """

    version: VersionRecord
    base: Path
    head: Path

    def same_base(self, other: ServedVersion) -> bool:
        """Whether a base loaded for another version need not be loaded again."""
        return other.version.base.digest == self.version.base.digest

    def same_head(self, other: ServedVersion) -> bool:
        """Whether a head loaded for another version need not be loaded again."""
        return other.version.head.digest == self.version.head.digest


def fetch_champion(
    registry: ModelRegistry, store: ArtifactStore, model: str, known: ServedVersion | None = None
) -> ServedVersion:
    """Fetch the champion's files; what a `known` version has already is neither fetched nor read again.

    Raises:
        NoChampion: nothing was promoted yet.
        ArtifactError: a file is gone or damaged.
    """
    version = registry.champion(model)
    if known is not None and known.version.number == version.number:
        return known
    name = f"version {version.number} of model '{model}'"
    base, head = version.base, version.head
    return ServedVersion(
        version,
        base=known.base if known and known.version.base == base else store.fetch(base, of=name),
        head=known.head if known and known.version.head == head else store.fetch(head, of=name),
    )
