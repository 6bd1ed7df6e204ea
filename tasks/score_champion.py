"""Score versions on rows before anything trains on them: their live track record (prequential evaluation)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from db.arrival_records import PartitionRecord
from db.verdict_records import BlockLoss, NewScores
from evaluation.losses import figures, row_losses
from learning.prediction import predict
from learning.startup import start_tensorflow
from monitoring.decision import Pending
from tasks.run import Context, Run, step
from tasks.watch_champion import predecessor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from learning.prediction import Predictions


def score_arrivals(context: Context, run_id: int | None, number: int, arrived: Sequence[PartitionRecord]) -> None:
    """Score a version on each of these partitions' labelled rows, once, as a whole and by time block.

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
    losses = row_losses(spec.objective, found.target, found.prediction)
    registry.record_block_losses(spec.name, number, tuple(by_block(found, losses, partitions)), proving=False)
    registry.record_scores(spec.name, number, scores, run_id)


def by_block(
    found: Predictions, losses: NDArray[np.floating], partitions: Sequence[PartitionRecord]
) -> Iterator[BlockLoss]:
    """Mean losses of the time blocks of each partition; where there are no blocks, an arrival is one."""
    starts = np.array([p.time_from.replace(tzinfo=None) for p in partitions], "datetime64[us]")[found.partition]
    rows = pl.DataFrame({"place": found.partition, "block": starts if found.block is None else found.block})
    means = (
        rows.with_columns(loss=losses)
        .group_by("place", "block", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("loss").mean())
    )
    for place, block, count, loss in means.iter_rows():
        yield BlockLoss(partitions[place].digest, block.replace(tzinfo=UTC), count, loss)


def score_pending(context: Context, run_id: int, pending: Pending) -> None:
    """Score the champion, and the one that it replaced, on what arrived before anything trains on it."""
    for number in dict.fromkeys((pending.champion, *predecessor(context))):
        score_arrivals(context, run_id, number, pending.partitions)


@step("score on what arrived")
def score_champion(run: Run, pending: Pending) -> None:
    """Score the champion, and the one that it replaced, on what arrived."""
    score_pending(run.context, run.id, pending)
