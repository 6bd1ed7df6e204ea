"""`evergreen schema infer FILE`: a first Schema for a newcomer's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The schema of a model's rows.", no_args_is_help=True)


@app.callback()
def schema() -> None:
    """Keep `infer` a subcommand, although it is the only one."""


@app.command()
def infer(
    file: Annotated[
        Path, typer.Argument(help="A CSV, Parquet or JSON Lines file of rows.", exists=True, dir_okay=False)
    ],
    target: Annotated[str | None, typer.Option(help="Column of the label; by default guessed from its name.")] = None,
) -> None:
    """Print a first Schema for a file, to paste into models/NAME.py and correct."""
    from tasks.inference import infer_schema

    typer.echo(infer_schema(file, target))
