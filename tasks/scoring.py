"""Score a version on rows before anything trains on them: its live track record (prequential evaluation)."""

from __future__ import annotations

from collections.abc import Sequence

from db.records import NewScores
from tasks.house import House, opened
from tasks.recording import Run, step


def score_arrivals(house: House, run_id: int | None, number: int, digests: Sequence[str]) -> None:
    """Score a version on each of these partitions' labelled rows, once.

    Prequential evaluation: Dawid 1984; Gama, Sebastião and Rodrigues, "On evaluating stream learning algorithms",
    Machine Learning 90 (2013).
    """
    registry, spec = house.registry, house.spec
    known = {score.partition for score in registry.scores(spec.name) if score.number == number}
    partitions = [
        p for p in registry.partitions(spec.name) if p.digest in digests and p.digest not in known and p.labelled_rows
    ]
    if not partitions:
        return
    from models.training.prediction import predict

    files = house.files(registry.version(spec.name, number))
    found = predict(spec, files, house.rows(partitions), split="all", cache=house.settings.cache)
    scores = []
    for place, partition in enumerate(partitions):
        rows = found.partition == place
        figures = spec.objective.metrics(found.target[rows], found.prediction[rows])
        scores.append(NewScores(partition.digest, int(rows.sum()), figures))
    registry.record_scores(spec.name, number, scores, run_id)


@step("score on what arrived")
def score_version(run: Run, number: int, digests: Sequence[str]) -> None:
    """Score a version on newly arrived partitions before anything trains on them."""
    with opened(run.model) as house:
        score_arrivals(house, run.id, number, digests)
