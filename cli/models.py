"""`evergreen models`: which there are, and how one gets another name, or ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import Actor, Model, Reason, open_named_registry, user
from cli.printing import Json, print_records, say
from settings import get_settings

if TYPE_CHECKING:
    from db.models import ModelRecord

app = typer.Typer(help="All models: a line each; another name; the end of one.", invoke_without_command=True)

New = Annotated[str, typer.Argument(help="The new name.")]


@app.callback()
def models(context: typer.Context, json: Json = False) -> None:
    """List the models: those of the registry, and those that are files only, which have not begun."""
    if context.invoked_subcommand is None:
        show(json=json)


def show(*, json: bool) -> None:
    """Print a line a model."""
    from db.models import ModelRecord
    from learning.catalog import known_models

    files = known_models(get_settings().model_folders)
    with open_named_registry() as registry:
        found = registry.models()
    known = {record.name for record in found}
    begun = [ModelRecord(name, None, None, 0, None, None, retired=False) for name in files if name not in known]
    columns: dict[str, Callable[[ModelRecord], object]] = {
        "model": lambda m: m.name,
        ">champion": lambda m: m.champion,
        "since": lambda m: m.since,
        ">rows": lambda m: f"{m.rows:,}" if m.rows else "",
        "last run": lambda m: m.last_run,
        "outcome": lambda m: m.outcome,
        "": lambda m: ", ".join(["retired"] * m.retired + ["no file"] * (m.name not in files)),
    }
    everything = sorted([*found, *begun], key=lambda one: one.name)
    print_records(everything, json, columns, empty="no models yet: `evergreen new NAME --from FILE` drafts one")


@app.command()
def rename(model: Model, new: New, reason: Reason = "another name", actor: Actor = None) -> None:
    """Give a model another name: versions, promotions and runs follow. Its file is yours to rename."""
    from learning.catalog import known_models

    with open_named_registry() as registry:
        registry.rename(model, new, reason=reason, actor=actor or user())
    say(f"{model} is {new} now, with all its history; whatever loads its champion must ask for {new}")
    if new not in known_models(get_settings().model_folders):
        say(f'Next: rename the file {model}.py to {new}.py, write name="{new}" in it, and name {new} in prefect.yaml')


@app.command()
def retire(model: Model, reason: Reason, actor: Actor = None) -> None:
    """End a model: its runs end at once, without work. Its history and its champion stay as they are."""
    with open_named_registry() as registry:
        registry.retire(model, reason=reason, actor=actor or user())
    say(f"{model} is retired: its runs do nothing, until `evergreen models resume {model} --reason ...`")


@app.command()
def resume(model: Model, reason: Reason, actor: Actor = None) -> None:
    """Take a retired model up again, where it was left."""
    with open_named_registry() as registry:
        registry.resume(model, reason=reason, actor=actor or user())
    say(f"{model} goes on: what arrived meanwhile is pending")
