"""Take what arrived: every landed file is read once, every good row taken once, every other one refused and counted.

The same call again finds nothing new; after a crash it does the rest; beside three others it shares the work.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from arrivals.attached import Attached
from arrivals.conflicts import conflicts_only
from arrivals.ingest_result import IngestResult
from arrivals.intake import Intake
from arrivals.partition_files import PartitionFiles
from arrivals.sources import Sources
from clock import now
from errors import TooManyBadRows

if TYPE_CHECKING:
    from db.artifacts import ArtifactStore
    from db.registry import ModelRegistry
    from learning.files import Progress
    from learning.spec import ModelSpec


def ingest(  # noqa: PLR0913 - what an ingest needs, in named words
    spec: ModelSpec,
    registry: ModelRegistry,
    store: ArtifactStore,
    *,
    landing: str,
    cache: Path,
    run_id: int | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Take every row that has arrived for a model and was not taken before.

    Args:
        spec: the model; its source says where rows and labels land.
        registry: remembers partitions, landed files and refused rows.
        store: keeps partitions and refused rows as Parquet files.
        landing: folder or URL that the source is relative to.
        cache: local folder of what can be made again, and may be emptied at any moment. Unfinished files lie beside it,
            in the folder `work`.
        run_id: the run on whose behalf this happens.
        progress: told how far it has come, at most twice a second.

    Raises:
        UnreachableSource: the source is not there, or gives no answer.
        TooManyBadRows: more rows than the source allows were refused, now or in the last files before; everything is
            recorded by then.
    """
    registry.add_model(spec.name)
    work = cache.with_name("work") / f"arrivals-{spec.name}-{uuid4().hex}"
    with PartitionFiles(store, work, Attached(spec, landing)) as files:
        intake = Intake(spec, registry, files, cache, run_id)
        result = Sources(spec, registry, intake, landing, progress).take_all()
        intake.save_keys()
    result.attention += _silence(spec, registry, run_id)
    if result.conflicts:
        result.attention += conflicts_only(spec, registry.landed_files(spec.name, ingest=intake.id))
    # The last ingest that brought any rows is judged, so that a run started again after a refusal is refused again:
    # until better rows arrive, the policy allows more, or the ingest's partitions are recalled.
    last, allowed = registry.last_ingest(spec.name), spec.source.max_bad_share
    share = last.refused / last.rows if last.rows else 0.0
    if share > allowed and (result.rows or last.live):
        why = f"{last.refused:,} of {last.rows:,} rows were refused ({share:.1%}), more than the {allowed:.1%} allowed"
        fix = f"see `evergreen partitions refused {spec.name}`, then land the rows again or allow more"
        raise TooManyBadRows(f"the rows that arrived for model '{spec.name}'", why, fix)
    return result


def _silence(spec: ModelSpec, registry: ModelRegistry, run_id: int | None) -> list[str]:
    """A sentence, once, if no new rows have come for longer than the source says that they may take.

    An hourly watch would say it every hour: what began when the silence had become too long has said it.
    """
    longest = spec.source.expect_every
    if longest is None:
        return []
    last = registry.newest_arrival(spec.name)
    if (silent := now() - last) <= longest:
        return []
    if any(run.id != run_id and run.started_at > last + longest for run in registry.runs(spec.name, 2)):
        return []
    since = f"since {last:%Y-%m-%d %H:%M} UTC, which is {timedelta(seconds=round(silent.total_seconds()))} ago"
    return [f"no new rows have come {since}; Source(expect_every=...) says every {longest}: see to what sends them"]
