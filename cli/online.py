"""`evergreen online`: learn a model's events one by one, as they come."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.running import prepare, run_to_its_end
from learning.startup import large_import

Model = Annotated[str, typer.Argument(help="Name of a model, as models/NAME.py defines it.")]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="SOURCE",
        help='"partitions" (what has arrived), - (JSON lines on stdin), a file that grows, or redis://host/stream.',
    ),
]
Minutes = Annotated[
    float,
    typer.Option(
        help="How long; the next run goes on where it ended. 0: until nothing is left, or standard input ends.", min=0
    ),
]


def online(model: Model, source: From = "partitions", minutes: Minutes = 0) -> None:
    """Predict, score and learn each event once; what was learned challenges the champion. Exit code 3: attention."""
    from settings import get_settings
    from tasks.online_sources import refuse_source

    refuse_source(source, prepare(model), get_settings())
    with large_import("prefect"):
        from flows.online_learning import online as flow

    run_to_its_end(flow, model, source=source, for_minutes=minutes)
