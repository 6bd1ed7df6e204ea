"""`evergreen schema infer FILE`: a first Schema for a newcomer's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.printing import say

app = typer.Typer(help="The schema of a model's rows.", no_args_is_help=True)

Time = Annotated[str, typer.Option(help="Column of the event time; guessed if left out.")]
Target = Annotated[str, typer.Option(help="Column of the label; guessed if left out.")]
Key = Annotated[list[str] | None, typer.Option(help="Column of the key, once for each; guessed if left out.")]


@app.callback()
def schema() -> None:
    """Keep `infer` a subcommand, although it is the only one."""


@app.command()
def infer(
    file: Annotated[Path, typer.Argument(help="A CSV, Parquet or JSON Lines file of rows.")],
    time: Time = "",
    target: Target = "",
    key: Key = None,
) -> None:
    """Print a first Schema for a file, to paste into models/NAME.py and correct."""
    from cli.drafting.guess import guess
    from cli.drafting.sample import read_sample
    from cli.drafting.source import schema_source

    say(schema_source(guess(read_sample(file), time=time, target=target, key=key or ())))
