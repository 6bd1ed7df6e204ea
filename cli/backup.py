"""`evergreen backup` and `evergreen restore`: the registry and all its files, in a folder, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.printing import say
from settings import get_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.artifacts import ArtifactStore
    from db.backup import Kept

INCOMPLETE = 3  # exit code, as of a run that somebody should look at

Folder = Annotated[Path, typer.Argument(help="A local folder, for backups of this registry alone.")]


def backup(folder: Folder) -> None:
    """Back up the registry and its files, while runs go on; a second time only what is new. Exit code 3: some missing.

    A folder of its own for each registry. What was cut short goes on when it is called again.
    """
    from db.backup import back_up

    with _place() as (engine, store):
        kept = back_up(engine, store, folder)
    say(f"backed up the registry and {kept.files:,} files, {kept.copied:,} of them new, in {folder}")
    _tell_missing(kept)


def restore(folder: Folder) -> None:
    """Bring a backup back into an empty registry, on SQLite or PostgreSQL. Exit code 3: some files are missing.

    Where to is what EVERGREEN_HOME, EVERGREEN_DATABASE_URL and EVERGREEN_ARTIFACT_ROOT say.
    """
    from db.backup import restore as bring_back

    with _place() as (engine, store):
        kept = bring_back(folder, engine, store)
    say(f"restored the registry at {engine.url} and {kept.files:,} files")
    _tell_missing(kept)


@contextmanager
def _place() -> Iterator[tuple[Engine, ArtifactStore]]:
    """The registry's database, whatever is in it, and the artifact store."""
    from db.artifacts import ArtifactStore
    from db.engine import open_engine

    settings = get_settings()
    engine = open_engine(settings.database_url)
    try:
        yield engine, ArtifactStore(settings.artifact_root, settings.cache)
    finally:
        engine.dispose()


def _tell_missing(kept: Kept) -> None:
    for sentence in kept.missing:
        say(f"evergreen: missing: {sentence}", err=True)
    if kept.missing:
        say(f"evergreen: {len(kept.missing)} files that the registry names are missing; all else is there", err=True)
        raise typer.Exit(INCOMPLETE)
