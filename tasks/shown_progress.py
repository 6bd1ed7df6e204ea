"""How long work shows how far it has come: as a bar on a terminal, or as an artifact in Prefect's UI."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from evergreen_client.shown import markdown
from learning.files import Progress
from tasks.logs import by_prefect
from tasks.run import GIVEN

SECONDS_BETWEEN_UPDATES = 5.0  # of the UI's artifact: every update is a request to the server, of about 20 ms


@contextmanager
def shown_progress(title: str) -> Iterator[Progress]:
    """Give a function (stage, done, total, metrics) that shows how far long work has come.

    On a terminal that is a bar, in the Prefect UI an artifact.
    """
    from prefect.artifacts import create_progress_artifact, update_progress_artifact
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    artifact = create_progress_artifact(0.0, description=title) if by_prefect() else None
    unseen = GIVEN.get() is not None or not sys.stderr.isatty()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, disable=unseen) as bar:
        shown = bar.add_task(title, total=None, figures="")
        sent = time.monotonic()

        def show(stage: str, done: int, total: int, metrics: Mapping[str, float]) -> None:
            nonlocal sent
            figures = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            bar.update(shown, description=f"{title}: {stage}", completed=done, total=total, figures=figures)
            if isinstance(artifact, UUID) and (time.monotonic() - sent > SECONDS_BETWEEN_UPDATES or done == total):
                sent = time.monotonic()
                update_progress_artifact(
                    artifact, progress=100.0 * done / max(total, 1), description=markdown(f"{stage} {figures}")
                )

        yield show
