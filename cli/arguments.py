"""What commands about the registry are given: their arguments and options, and the registry that the settings name."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated

import typer

from cli.printing import say
from settings import get_settings

if TYPE_CHECKING:
    from db.registry import ModelRegistry


def worth_keeping(reason: str) -> str:
    """Refuse a reason that says nothing."""
    if not reason.strip():
        raise typer.BadParameter("it is empty; whoever reads the record later will want to know why")
    return reason


Model = Annotated[str, typer.Argument(help="Name of a model.")]
Number = Annotated[int, typer.Argument(help="Number of a version.")]
Digest = Annotated[str, typer.Argument(help="Digest of a partition, or its beginning.")]
Limit = Annotated[int, typer.Option(help="How many, newest first.", min=1)]
Reason = Annotated[str, typer.Option(help="Why, in a sentence; it is kept for ever.", callback=worth_keeping)]
Actor = Annotated[str | None, typer.Option(help="Who decides; by default the user of this machine.")]


def open_named_registry() -> ModelRegistry:
    """Open the registry that the settings name."""
    from db.registry import open_registry

    return open_registry(get_settings().database_url)


def deliver(registry: ModelRegistry) -> None:
    """Tell the receiver that the settings name of what was just promoted; if it gives no answer, the next run does."""
    from tasks.deliver import deliver_promotions

    if complaint := deliver_promotions(registry, get_settings()):
        say(f"evergreen: {complaint}", err=True)


def user() -> str:
    """Who is at the keyboard; in a container without user names, a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
