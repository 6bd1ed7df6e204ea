"""Score a version on rows before anything trains on them: its live track record (prequential evaluation)."""

from __future__ import annotations

from collections.abc import Sequence

from db.arrival_records import PartitionRecord
from db.records import NewScores
from evaluation.losses import figures
from learning.prediction import predict
from learning.startup import start_tensorflow
from monitoring.decision import Pending
from tasks.run import Context, Run, step


def score_arrivals(context: Context, run_id: int | None, number: int, arrived: Sequence[PartitionRecord]) -> None:
    """Score a version on each of these partitions' labelled rows, once.

    Prequential evaluation: Dawid 1984; Gama, Sebastião and Rodrigues, "On evaluating stream learning algorithms",
    Machine Learning 90 (2013).
    """
    registry, spec = context.registry, context.spec
    known = {score.partition for score in registry.scores(spec.name) if score.number == number}
    partitions = [p for p in arrived if p.digest not in known and p.labelled_rows]
    if not partitions:
        return
    start_tensorflow()
    files = context.model_files(registry.version(spec.name, number))
    found = predict(spec, files, context.partition_files(partitions), split="all", cache=context.settings.cache)
    scores = []
    for place, partition in enumerate(partitions):
        rows = found.partition == place
        if rows.any():  # else every labelled row of it was corrected since
            measured = figures(spec.objective, found.target[rows], found.prediction[rows])
            scores.append(NewScores(partition.digest, int(rows.sum()), measured))
    registry.record_scores(spec.name, number, scores, run_id)


@step("score on what arrived")
def score_champion(run: Run, pending: Pending) -> None:
    """Score the champion on newly arrived partitions before anything trains on them."""
    score_arrivals(run.context, run.id, pending.champion, pending.partitions)
