"""Train base and head together, from everything that arrived."""

from __future__ import annotations

from errors import AlreadyBootstrapped, NotEnoughData
from learning.files import Progress
from learning.pretraining import pretrain
from learning.startup import start_tensorflow
from monitoring.decision import Pending
from tasks.find_pending import learnable
from tasks.finetune import SEED, finetune_champion
from tasks.register_version import Learned
from tasks.run import Context, Run, step
from tasks.shown_progress import shown_progress


def pretrain_on_history(context: Context, run_id: int, progress: Progress | None = None) -> Learned:
    """Train base and head on everything that arrived: a version without a parent.

    Raises:
        AlreadyBootstrapped: the model has a champion, and it learned from nothing that was recalled.
        NotEnoughData: fewer labelled rows than the model's retrain policy asks for.
    """
    spec, registry, settings = context.spec, context.registry, context.settings
    champion = registry.find_champion(spec.name)
    if champion is not None and champion.number not in registry.tainted(spec.name):
        raise AlreadyBootstrapped(
            f"model '{spec.name}'",
            f"version {champion.number} is its champion already",
            f"keep it fresh with `evergreen retrain {spec.name}`, or let `evergreen bootstrap {spec.name} --again` "
            "train base and head anew",
        )
    history = context.newest.counted(learnable(spec, registry.partitions(spec.name)))
    labelled = sum(partition.labelled_rows for partition in history)
    if labelled < spec.retrain.min_rows:
        raise NotEnoughData(
            f"{labelled:,} labelled rows",
            f"model '{spec.name}' needs {spec.retrain.min_rows:,} to start from",
            f"put more files where its source looks: {settings.landing}/{spec.source.path}; or lower "
            f"RetrainPolicy(min_rows=...) in models/{spec.name}.py",
        )
    start_tensorflow()
    trained = pretrain(
        spec,
        context.partition_files(history),
        work=settings.work / spec.name / "bootstrap",
        logs=settings.logs / spec.name / f"run-{run_id}",
        seed=SEED,
        progress=progress,
    )
    return Learned(trained, None, history)


@step("pretrain base and head")
def pretrain_first(run: Run, pending: Pending | None = None) -> Learned:
    """Train version 1 from all that arrived; or, with what is pending to its champion, one that is to be proven."""
    with shown_progress(f"pretrain {run.model}") as progress:
        if pending:
            return finetune_champion(run.context, run.id, pending, progress)
        return pretrain_on_history(run.context, run.id, progress)
