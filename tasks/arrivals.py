"""Take what arrived: every landed file is looked at, every good row taken once, every bad one set aside and counted.

The same call again finds nothing new; after a crash it does the rest; beside three others it shares the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import get_run_logger

from errors import TooManyBadRows
from tasks.house import opened
from tasks.progress import Progress, shown_progress
from tasks.recording import Run, step
from tasks.rounds import Arrivals, Round

if TYPE_CHECKING:
    from db.artifacts import ArtifactStore
    from db.registry import ModelRegistry
    from models.spec import ModelSpec


def ingest(  # noqa: PLR0913 - what an ingest needs, in named words
    spec: ModelSpec,
    registry: ModelRegistry,
    store: ArtifactStore,
    *,
    landing: str,
    cache: Path,
    run_id: int | None = None,
    progress: Progress | None = None,
) -> Arrivals:
    """Take every row that has arrived for a model and was not taken before.

    Args:
        spec: the model; its source says where rows and labels land.
        registry: remembers partitions, landed files and refused rows.
        store: keeps partitions and refused rows as Parquet files.
        landing: folder or URL that the source is relative to. A missing one is an empty one.
        cache: local folder of what can be made again.
        run_id: the run on whose behalf this happens.
        progress: told how far it has come, at most twice a second.

    Raises:
        TooManyBadRows: more rows than the source allows were bad, now or in the last files before; everything is
            recorded by then.
    """
    from tasks.intake import Intake

    registry.add_model(spec.name)
    with Intake(spec, registry.engine, store, cache, run_id) as intake:
        arrived = Round(spec, registry.engine, intake, landing, progress).take_everything()
    if reason := too_many_bad(spec, registry, arrived):
        fix = f"see `evergreen partitions quarantine {spec.name}`, then land the rows again or allow more"
        raise TooManyBadRows(f"the rows that arrived for model '{spec.name}'", reason, fix)
    return arrived


def too_many_bad(spec: ModelSpec, registry: ModelRegistry, arrived: Arrivals) -> str:
    """Why the rows that arrived last must not be trained on, or "".

    What is judged is the last batch that brought any rows, so that a run started again after a refusal is refused
    again: until better rows arrive, the policy allows more, or the batch's partitions are taken back.
    """
    from db.partitions import last_batch

    batch = last_batch(registry.engine, spec.name)
    share = batch.rejected / batch.rows if batch.rows else 0.0
    if share <= spec.source.max_bad_share or not (arrived.rows or batch.live):
        return ""
    allowed = spec.source.max_bad_share
    return f"{batch.rejected:,} of {batch.rows:,} rows are bad ({share:.1%}), more than the {allowed:.1%} allowed"


@step("take arrivals")
def take_arrivals(run: Run) -> Arrivals:
    """Take what arrived for the run's model, and say so in the log."""
    log = get_run_logger()
    with opened(run.model) as house, shown_progress("arrivals") as progress:
        arrived = ingest(
            house.spec,
            house.registry,
            house.store,
            landing=house.settings.landing,
            cache=house.settings.cache,
            run_id=run.id,
            progress=progress,
        )
    for reason in arrived.reasons:
        log.warning(reason)
    log.info(arrived.summary)
    return arrived
