"""What has landed for a model, and no run has read yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrivals.attached import Attached
from arrivals.listing import expanded, list_files

if TYPE_CHECKING:
    from pathlib import Path

    from db.registry import ModelRegistry
    from learning.spec import ModelSpec


def unread(spec: ModelSpec, registry: ModelRegistry, landing: str) -> frozenset[str]:
    """The stamps of those whole files that no run has read: the same files have the same stamps until they change.

    Args:
        spec: a model that has a champion; its source is no query.
        registry: remembers what was read.
        landing: folder or URL that the source is relative to.

    Raises:
        UnreachableSource: the source is not there, or gives no answer.
    """
    attached, source = Attached(spec, landing), spec.source
    listings = (list_files(landing, path, source.settle) for path in (source.path, source.labels) if path)
    stamps = {file.stamp for listing in listings for file in listing.files if not attached.owns(file.uri)}
    return frozenset(stamps - registry.earlier_outcomes(spec.name, sorted(stamps)).keys())


def local_folder(spec: ModelSpec, landing: Path) -> Path | None:
    """The folder that a change shows in at once; None where it is a URL, or not there."""
    place = landing / expanded(spec.source.path).partition("*")[0]
    folders = [folder for folder in (place, place.parent) if folder.is_dir()]
    return folders[0] if folders else None
