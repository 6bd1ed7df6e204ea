"""The champion of an Evergreen model, inside any other program: loaded, verified, refreshed."""

from evergreen_client.champion import Champion, load_champion
from evergreen_client.errors import (
    ArrivalError,
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    EvergreenError,
    NoChampion,
    RegistryError,
    RegistryOutdated,
    RegistryUnavailable,
    SchemaMismatch,
    UnknownLayer,
    UnsafeModel,
)

__all__ = [
    "ArrivalError",
    "ArtifactCorrupt",
    "ArtifactError",
    "ArtifactMissing",
    "Champion",
    "EvergreenError",
    "NoChampion",
    "RegistryError",
    "RegistryOutdated",
    "RegistryUnavailable",
    "SchemaMismatch",
    "UnknownLayer",
    "UnsafeModel",
    "load_champion",
]
