"""Take over a model that was trained elsewhere; rehearsed first, so that a failure leaves nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from arrivals.ingest import ingest
from db.arrival_records import PartitionRecord
from db.artifacts import ArtifactStore
from db.records import RunEnding
from db.registry import open_registry
from errors import AlreadyBootstrapped
from learning.adoption import adopt
from learning.catalog import load_spec
from learning.startup import start_tensorflow
from settings import Settings
from tasks.find_pending import learnable
from tasks.infra_check import infra_check, try_out
from tasks.register_version import Learned, register
from tasks.run import Context, Run, step

ACTOR = "adopt"
REASON = (
    "adopted, not judged: it was trained elsewhere, and is in production because it was before; version {} holds its "
    "very weights"
)


def rehearse(model: str, settings: Settings, trained_before: datetime | None = None) -> None:
    """Do all that an adoption does, in a registry that is thrown away, and let a fresh process try the version out.

    Raises:
        EvergreenError: what the adoption itself would have failed with.
    """
    with TemporaryDirectory(prefix="evergreen-") as folder:
        home = Path(folder)
        url, root = f"sqlite:///{home / 'registry.db'}", str(home / "artifacts")
        apart = settings.model_copy(update={"home": home, "database_url": url, "artifact_root": root})
        spec = load_spec(model, settings.model_folders)
        with open_registry(url) as registry:
            context = Context(spec, registry, ArtifactStore(root, apart.cache), apart)
            registry.add_model(model)
            run = Run(registry.start_run(model, trigger="rehearsal").id, context)
            with infra_check(run) as check:
                ingest(spec, registry, context.store, landing=apart.landing, cache=apart.cache, run_id=run.id)
                number = register(context, run.id, adopted(context, trained_before))
                try_out(context, run.id, number, None, check)


def adopted(context: Context, trained_before: datetime | None = None) -> Learned:
    """The saved model as a version that has learned the partitions before a time, by default all that arrived.

    Raises:
        AlreadyBootstrapped: the model has a version.
    """
    spec, registry = context.spec, context.registry
    if registry.versions(spec.name, limit=1):
        raise AlreadyBootstrapped(
            f"model '{spec.name}'", "it has a version already", "adopt the saved model under a name of its own"
        )
    arrived = context.newest.counted(learnable(spec, registry.partitions(spec.name)))
    before = trained_before or after_all(arrived)
    known = tuple(partition for partition in arrived if partition.time_to < before)
    start_tensorflow()
    work = context.settings.work / spec.name / "adopt"
    trained = adopt(spec, context.partition_files(known), work=work, trained_before=before)
    return Learned(trained, None, known)


def after_all(arrived: tuple[PartitionRecord, ...]) -> datetime:
    """The first instant after all rows that arrived."""
    latest = max((partition.time_to for partition in arrived), default=datetime(9998, 1, 1, tzinfo=UTC))
    return latest + timedelta(microseconds=1)


def promote(context: Context, number: int) -> RunEnding:
    """Put the adopted version in production, where it is already."""
    reason = REASON.format(number)
    registry, model = context.registry, context.spec.name
    registry.promote(model, number, seen=0, kind="bootstrap", actor=ACTOR, reason=reason)
    return RunEnding("promoted", "bootstrap", reason)


@step("take the weights over")
def adopt_weights(run: Run, trained_before: datetime | None = None) -> Learned:
    """The saved model's weights as base and head."""
    return adopted(run.context, trained_before)


@step("promote")
def promote_adopted(run: Run, number: int) -> RunEnding:
    """Put the adopted version in production."""
    return promote(run.context, number)
