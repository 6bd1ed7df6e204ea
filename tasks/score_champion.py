"""Score versions on rows before anything trains on them: their live track record (prequential evaluation)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from db.arrival_records import NewPartition, PartitionRecord
from db.verdict_records import BlockLoss, NewScores
from evaluation.losses import Floats, figures, row_losses
from learning.changes import MADE_FOR, comparable
from learning.data import Blocks, select, weights_of
from learning.startup import start_tensorflow
from monitoring.decision import Pending
from monitoring.served import Service, service
from monitoring.track_record import CONSTANT
from tasks.predictions import predict_with
from tasks.run import Context, Run, step
from tasks.unlearned import judged_since
from tasks.watch_champion import predecessor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from learning.objectives import Objective
    from learning.prediction import Predictions

RARE_ROWS = "rare", "expected"  # rows of a block: that came, and by the version's chances


def score_arrivals(
    context: Context, run_id: int | None, number: int, arrived: Sequence[PartitionRecord], only: Service | None = None
) -> None:
    """Score a version on the labelled rows of these partitions, once, as a whole and by time block.

    Prequential evaluation: Dawid 1984; Gama, Sebastião and Rodrigues, "On evaluating stream learning algorithms",
    Machine Learning 90 (2013).

    Args:
        context: the model.
        run_id: the run that asks.
        number: the version.
        arrived: where the rows are.
        only: score it only on what it served, by this; by default on all rows.
    """
    registry, spec = context.registry, context.spec
    known, version = scored_rows(context, number), registry.version(spec.name, number)
    # What it learned of some rows online is no score before learning: it would look better than it is.
    seen = {p.digest for p in registry.partly_learned(spec.name, number)}
    arrived = [p for p in arrived if p.digest not in seen]
    # Who had served a part of the rows may be champion again: then it is scored on all of them.
    partitions = [p for p in arrived if known.get(p.digest, 0) < (min(p.labelled_rows, 1) if only else p.labelled_rows)]
    partitions = list(context.readable(version, partitions))
    if not partitions or not comparable(version.plan.get(MADE_FOR), spec):
        return
    start_tensorflow()
    found = predict_with(context, version, partitions, split="all", since=judged_since(context))
    if only:
        found = found.take(served_by(only, number, found, partitions))
    usual, scores = usual_constant(context, number), []
    for place, partition in enumerate(partitions):
        rows = found.partition == place
        weighing = found.take(rows if found.weight is None else rows & (found.weight > 0))
        if len(weighing.target):  # else every labelled row of it was corrected since, or weighs nothing
            # Rows of weight 0 were scored too: else the partition would be as if not all of it was, in every run.
            scores.append(NewScores(partition.digest, int(rows.sum()), measured(spec.objective, weighing, usual)))
    losses = row_losses(spec.objective, found.target, found.prediction)
    blocks = tuple(by_block(spec.objective, found, losses, partitions, usual))
    registry.record_block_losses(spec.name, number, blocks, proving=False)
    registry.record_scores(spec.name, number, scores, run_id)


def measured(objective: Objective, found: Predictions, usual: Floats | None) -> dict[str, float]:
    """A version's figures on some rows, and beside them the loss of what was usual."""
    known = figures(objective, found.target, found.prediction, found.weight)
    if usual is not None:
        constant = np.broadcast_to(usual, (len(found.target), len(usual)))
        known[CONSTANT] = float(np.average(row_losses(objective, found.target, constant), weights=found.weight))
    return known


def scored_rows(context: Context, number: int) -> Counter[str]:
    """On how many rows of each partition a version was scored, at once or, as who served a part of them, in two goes.

    The first score of a partition stands; so of the second go only the losses of its time blocks are there.
    """
    registry, model = context.registry, context.spec.name
    in_blocks = Counter[str]()
    for loss in registry.block_losses(model, [number]):
        in_blocks[loss.partition] += 0 if loss.proving else loss.rows
    return in_blocks | Counter({s.partition: s.rows for s in registry.scores(model) if s.number == number})


def served_by(
    service: Service, number: int, found: Predictions, partitions: Sequence[PartitionRecord]
) -> NDArray[np.bool_]:
    """Marks the rows that a version served."""
    starts = block_starts(found.block, found.partition, partitions)
    marks = np.zeros(len(starts), bool)
    for place, partition in enumerate(partitions):
        mine = np.flatnonzero(found.partition == place)
        blocks, which = np.unique(starts[mine], return_inverse=True)
        marks[mine] = np.array([service.of(partition.digest, one) == number for one in in_utc(blocks)], bool)[which]
    return marks


def servers(
    context: Context, service: Service, partitions: Sequence[PartitionRecord]
) -> dict[int, list[PartitionRecord]]:
    """The versions that served labelled rows of these partitions, each with those of which it served any."""
    found: dict[int, list[PartitionRecord]] = {}
    chosen = select(context.spec.schema, context.partition_files(partitions), "all")
    for place, (partition, part) in enumerate(zip(partitions, chosen, strict=True)):
        starts = block_starts(part.block, np.full(len(part.rows), place), partitions)
        for number in {service.of(partition.digest, block) for block in in_utc(np.unique(starts))} - {None}:
            found.setdefault(int(number or 0), []).append(partition)
    return found


def block_starts(
    block: Blocks | None, place: NDArray[np.integer], partitions: Sequence[NewPartition]
) -> NDArray[np.datetime64]:
    """The start of each row's time block; where there are no blocks, an arrival is one."""
    if block is not None:
        return block
    starts = np.array([p.time_from.replace(tzinfo=None) for p in partitions], "datetime64[us]")
    return np.asarray(starts[place])


def in_utc(blocks: NDArray[np.datetime64]) -> list[datetime]:
    """The starts of blocks, as the registry has them."""
    return [block.replace(tzinfo=UTC) for block in blocks.astype("datetime64[us]").tolist()]


def by_block(
    objective: Objective,
    found: Predictions,
    losses: NDArray[np.floating],
    partitions: Sequence[NewPartition],
    usual: Floats | None = None,
) -> Iterator[BlockLoss]:
    """Mean losses of the time blocks of each partition, as records."""
    for place, block, count, _, *known in block_means(objective, found, losses, partitions, usual).iter_rows():
        yield BlockLoss(partitions[place].digest, block.replace(tzinfo=UTC), count, *known)


def block_means(
    objective: Objective,
    found: Predictions,
    losses: NDArray[np.floating],
    partitions: Sequence[NewPartition],
    usual: Floats | None = None,
) -> pl.DataFrame:
    """The time blocks of each partition in which any row counts: place, block, rows, weight, mean loss and rare rows.

    The weight is the sum of its rows' weights, without a weight column their number. Of the rows that count it tells
    how many are rare, and how many the version expected to be (`rare_rows`). Without blocks an arrival is one.
    """
    rows = pl.DataFrame({"place": found.partition, "block": block_starts(found.block, found.partition, partitions)})
    marks, chance = rare_rows(objective, found, usual) or (None, None)
    mean = pl.col("loss").mean() if found.weight is None else pl.col("loss").dot("weight") / pl.col("weight").sum()
    counts = pl.col("weight") > 0
    rare = [pl.col(name).filter(counts).sum() if marks is not None else pl.lit(None).alias(name) for name in RARE_ROWS]
    return (
        rows.with_columns(loss=losses, weight=1.0 if found.weight is None else found.weight)
        .with_columns(**dict(zip(RARE_ROWS, (marks, chance), strict=True)))
        .filter(counts.any().over("place", "block"))
        .group_by("place", "block", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("weight").sum(), mean, *rare)
    )


def rare_rows(
    objective: Objective, found: Predictions, usual: Floats | None = None
) -> tuple[NDArray[np.bool_], Floats] | None:
    """Marks the rows that are not of the usual class, and gives the chance that the version gave each of that.

    Usual is what the version's line learned first (`usual_constant`), or else the class with the highest mean chance.
    None of numbers, which have no classes, and where labels alone are known.
    """
    if objective.class_count is None or not found.prediction.size:
        return None
    chances = _of_classes(found.prediction)
    known = chances if usual is None else _of_classes(usual[None])
    most = int(known.mean(axis=0).argmax())
    return np.asarray(found.target != most), 1 - chances[:, most]


def _of_classes(prediction: Floats) -> Floats:
    """The chance of each class, shape (rows, classes), also where a prediction is that of the second of two."""
    chances = np.clip(np.nan_to_num(prediction.astype("float64")), 0, 1)
    return np.concatenate([1 - chances, chances], axis=1) if chances.shape[1] == 1 else chances


def usual_constant(context: Context, number: int) -> Floats | None:
    """The best constant of what the first of a version's line learned from; None if nothing of that is left."""
    registry, spec = context.registry, context.spec
    learned = registry.trained_on(spec.name, registry.lineage(spec.name, number)[-1].number)
    if not learned:
        return None
    chosen = select(
        context.spec_of(registry.version(spec.name, number)).schema, context.partition_files(learned), "all"
    )
    targets, weight = np.concatenate([selection.target for selection in chosen]), weights_of(chosen)
    if not len(targets) or (weight is not None and not weight.any()):
        return None
    return spec.objective.constant(targets, weight)


def score_pending(context: Context, run_id: int, pending: Pending) -> None:
    """Score the champion, and the one that it replaced, on what arrived before anything trains on it.

    Rows may have been served by another version: labels that came later, corrections, and what arrived in a run that
    failed before the champion changed. Then that one is scored, too.
    """
    registry, model = context.registry, context.spec.name
    both = tuple(dict.fromkeys((pending.champion, *predecessor(context))))
    for number in both:
        score_arrivals(context, run_id, number, pending.partitions)
    served = service(registry, model)
    rows = [p for p in pending.partitions if p.labelled_rows]
    others = [p for p in rows if p.kind != "rows" or served.of(p.digest, p.time_from) not in both]
    if others:
        gone = {*both, *registry.tainted(model)}
        for number, partitions in servers(context, served, others).items():
            if number not in gone:
                score_arrivals(context, run_id, number, partitions, served)


@step("score on what arrived")
def score_champion(run: Run, pending: Pending) -> None:
    """Score the champion, and the one that it replaced, on what arrived."""
    score_pending(run.context, run.id, pending)
