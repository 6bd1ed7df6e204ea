"""`evergreen db` and `evergreen gc`: care for the registry's tables and files."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from cli.arguments import open_named_registry
from cli.printing import Json, print_json, print_table, say
from settings import get_settings

LONGEST_HOURS = 100_000.0  # eleven years

app = typer.Typer(help="The registry's database.", no_args_is_help=True)


@app.callback()
def database() -> None:
    """The registry's database."""


@app.command()
def upgrade() -> None:
    """Bring the database's schema to what this version of Evergreen writes; back it up first."""
    from db.engine import open_engine
    from db.schema import HEAD, migrate

    engine = open_engine(get_settings().database_url)
    before = migrate(engine)
    engine.dispose()
    if before == HEAD:
        say(f"{engine.url} is at schema {HEAD} already")
    else:
        say(f"{engine.url}: schema {before or 'none'} is now {HEAD}")


def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; without it they are only listed.")] = False,
    grace_hours: Annotated[
        float,
        typer.Option(help="Leave newer files alone: a running training may yet name them.", min=0, max=LONGEST_HOURS),
    ] = 24,
    json: Json = False,
) -> None:
    """List the stored files that no version and no partition names, as a crash may leave them."""
    from db.artifacts import ArtifactStore
    from db.garbage import collect, orphans

    settings = get_settings()
    store = ArtifactStore(settings.artifact_root, settings.cache)
    with open_named_registry() as registry:
        found = (collect if delete else orphans)(registry, store, timedelta(hours=grace_hours))
    if json:
        print_json(found)
        return
    print_table(
        [">bytes", "stored", "file"],
        ([f"{orphan.bytes:,}", orphan.modified, orphan.uri] for orphan in found),
        empty="no orphans",
    )
    if found:
        total = sum(orphan.bytes for orphan in found)
        say(f"{len(found)} files, {total:,} bytes {'removed' if delete else '(remove them with --delete)'}")
