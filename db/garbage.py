"""Files that nobody needs: stored ones that nothing names, as a crash leaves them, and old ones of a local folder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from clock import now
from db.artifacts import STORED, UNFINISHED, ArtifactStore, FileState
from evergreen_client.durable import remove_whatever

if TYPE_CHECKING:
    from db.registry import ModelRegistry

GRACE = timedelta(hours=24)  # a writer stores its files first and registers them within this time


def orphans(registry: ModelRegistry, store: ArtifactStore, grace: timedelta = GRACE) -> tuple[FileState, ...]:
    """List the store's files that no row names and nobody touched within the grace period.

    The files are listed before the rows are read: one that is registered in between is then known.
    """
    files = [uri for uri in store.find() if STORED.fullmatch(uri) or UNFINISHED.fullmatch(uri)]
    named = registry.named_files()
    before = now() - grace
    states = (store.state(uri) for uri in files if uri not in named)
    return tuple(file for file in states if file is not None and file.modified <= before)


def collect(registry: ModelRegistry, store: ArtifactStore, grace: timedelta = GRACE) -> tuple[FileState, ...]:
    """Remove the orphans; returns those that were removed.

    Safe beside writers: a file that one has come back to since it was listed is left alone.
    """
    before = now() - grace
    found = orphans(registry, store, grace)
    return tuple(orphan for orphan in found if store.remove(orphan.uri, unless_since=before))


def keep_newest(folder: Path, pattern: str, most: int) -> None:
    """Remove the files of a folder that were written or used longest ago, so that at most so many are left.

    Args:
        folder: a local one; it need not be there.
        pattern: of the files' names.
        most: how many may stay.
    """
    times = []
    for path in folder.glob(pattern):
        try:
            times.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:  # another process removes them too
            continue
    for _, path in sorted(times)[: max(len(times) - most, 0)]:
        remove_whatever(path)
