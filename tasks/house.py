"""What every step opens first: the model's spec, the registry and the artifact store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.artifacts import ArtifactStore
from db.registry import ModelRegistry, open_registry
from models.catalog import load_spec
from settings import Settings, get_settings

if TYPE_CHECKING:
    from db.records import PartitionRecord, VersionRecord
    from models.spec import ModelSpec
    from models.training.data import PartitionFile
    from models.training.files import ModelFiles


@dataclass(frozen=True)
class House:
    """The rooms, opened for one step of one model."""

    spec: ModelSpec
    registry: ModelRegistry
    store: ArtifactStore
    settings: Settings

    def files(self, version: VersionRecord) -> ModelFiles:
        """Fetch and verify a version's base and head."""
        from models.training.files import ModelFiles

        base, head = self.store.fetch_version(version)
        return ModelFiles(base, head, version.base.digest, version.head.digest)

    def rows(self, partitions: Sequence[PartitionRecord]) -> tuple[PartitionFile, ...]:
        """Fetch and verify partitions' files."""
        from models.training.data import PartitionFile

        return tuple(PartitionFile(p.digest, self.store.fetch(p.artifact)) for p in partitions)


@contextmanager
def opened(model: str) -> Iterator[House]:
    """Open the rooms for one step, and close the registry's connections after it.

    Raises:
        UnknownModel: no file in models/ defines the model.
    """
    settings = get_settings()
    spec = load_spec(model)
    with open_registry(settings.database_url) as registry:
        yield House(spec, registry, ArtifactStore(settings.artifact_root, settings.cache), settings)
