"""Fine-tune the champion on what arrived since it last learned."""

from __future__ import annotations

from dataclasses import replace

from learning.files import Progress
from learning.finetuning import finetune
from learning.startup import start_tensorflow
from learning.work_folder import remove_old
from monitoring.decision import Pending
from tasks.register_version import Learned
from tasks.run import Context, Run, shown_progress, step

SEED = 2013


def finetune_champion(context: Context, run_id: int, pending: Pending, progress: Progress | None = None) -> Learned:
    """Fine-tune the champion on the pending partitions, with replay from what it learned before."""
    spec, registry, settings = context.spec, context.registry, context.settings
    work, learned = settings.work / spec.name, registry.trained_on(spec.name, pending.champion)
    remove_old(work)
    start_tensorflow()
    past = context.partition_files(learned)
    trained = finetune(
        spec,
        context.model_files(registry.version(spec.name, pending.champion)),
        context.partition_files(pending.partitions),
        past,
        cache=settings.cache,
        work=work / pending.work_key,
        logs=settings.logs / spec.name / f"run-{run_id}",
        seed=SEED,
        progress=progress,
    )
    names = {file.digest: partition.digest for file, partition in zip(past, learned, strict=True)}
    trained = replace(trained, replayed=tuple(names[digest] for digest in trained.replayed))
    return Learned(trained, pending.champion, pending.partitions)


@step("fine-tune the head")
def finetune_challenger(run: Run, pending: Pending) -> Learned:
    """Train a challenger from the champion and the pending data."""
    with shown_progress(f"fine-tune {run.model}") as progress:
        return finetune_champion(run.context, run.id, pending, progress)
