"""`evergreen`: keep Keras models fresh."""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from cli import (
    adopt,
    backtest,
    backup,
    database,
    demo,
    deploy,
    init,
    models,
    monitor,
    new,
    online,
    partitions,
    register,
    registry,
    schema,
    up,
)
from cli.arguments import open_named_registry
from cli.printing import say
from cli.running import prepare, reached_server, run_to_its_end
from cli.whole_files import refusal
from db.records import DRY_RUN
from errors import EvergreenError
from evergreen_client.shown import said
from learning.startup import large_import
from settings import get_settings

EXIT_CODES = (
    "Exit codes: 0 done; 1 not done, and a line on stderr says why; 2 the command is not understood; "
    "3 the run came to its end, and somebody should look at it (needs attention, stuck, awaiting approval), or at a "
    "backup, or what it restored, that lacks files."
)

app = typer.Typer(
    help="Keep Keras models fresh: retrain them on newly arrived data, and remember every version.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(registry.app, name="registry")
app.add_typer(partitions.app, name="partitions")
app.add_typer(models.app, name="models")
app.add_typer(schema.app, name="schema")
app.add_typer(database.app, name="db")
app.add_typer(demo.app, name="demo")
app.command("adopt")(adopt.adopt)
app.command("backtest")(backtest.backtest)
app.command("backup")(backup.backup)
app.command("gc")(database.gc)
app.command("deploy")(deploy.deploy)
app.command("init")(init.init)
app.command("monitor")(monitor.monitor)
app.command("new")(new.new)
app.command("online")(online.online)
app.command("register")(register.register)
app.command("restore")(backup.restore)
app.command("up")(up.up)

Model = Annotated[str, typer.Argument(help="Name of a model, as models/NAME.py defines it.")]


@app.command()
def bootstrap(
    model: Model,
    again: Annotated[
        bool, typer.Option("--again", help="It has a champion: train base and head anew, and let the gate compare.")
    ] = False,
) -> None:
    """Train version 1 on everything that has arrived, and make it the champion. Exit code 3: somebody should look."""
    prepare(model)
    with large_import("prefect"):
        from flows.bootstrap import bootstrap as flow

    if run_to_its_end(flow, model, again=again) == "rejected":
        with open_named_registry() as records:
            (run,), champion = records.runs(model, limit=1), records.find_champion(model)
        stays = f"version {champion.number} of {model} stays" if champion else f"{model} has no champion yet"
        say(f"evergreen: {stays}: {run.reason}", err=True)
        raise typer.Exit(0 if champion else 1)


@app.command()
def retrain(
    model: Model,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Build base and head anew, from all rows, new ones or none.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train though the retrain policy says wait.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do all of it on a copy of the registry, and say what would happen.")
    ] = False,
) -> None:
    """Run the retrain flow now, as the schedule would. Exit code 3: needs attention, stuck, or awaits approval."""
    prepare(model)
    with large_import("prefect"):
        from flows.retrain import retrain as flow

    if run_to_its_end(flow, model, from_scratch=from_scratch, force=force, dry_run=dry_run) == DRY_RUN:
        with open_named_registry() as records:
            say(f"evergreen: {records.runs(model, limit=1)[0].reason}", err=True)


@app.command()
def watch(model: Model) -> None:
    """Check the champion and what arrived, and train nothing; "due" says that a retrain is. Exit code 3: attention."""
    prepare(model)
    with large_import("prefect"):
        from flows.watch import watch as flow

    run_to_its_end(flow, model)


def main() -> None:
    """Run the command line; an error of ours is one clear line and exit code 1, not a traceback."""
    get_settings()
    try:
        with reached_server():
            app()
    except EvergreenError as error:
        print(f"evergreen: {error}", file=sys.stderr)  # noqa: T201 - the console is what this file is for
        sys.exit(1)
    except OSError as error:
        told = refusal(error)
        if told is None:
            raise
        print(f"evergreen: {said(told)}", file=sys.stderr)  # noqa: T201 - as above
        sys.exit(1)
    finally:
        gc.freeze()  # else Python walks through every object once more before it ends: a third of a short command


if __name__ == "__main__":
    main()
