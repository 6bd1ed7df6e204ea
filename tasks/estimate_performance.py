"""Estimate how the champion fares where labels are missing yet, and settle the estimates once they are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from db.verdict_records import NewEstimate, NewScores
from evaluation.losses import figures
from learning.changes import MADE_FOR, comparable
from learning.prediction import predict
from learning.startup import start_tensorflow
from monitoring.decision import Pending
from monitoring.estimation import Estimator, Known
from tasks.logs import run_logger
from tasks.run import Context, Run, step
from tasks.unlearned import judged_since, judging

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from db.arrival_records import PartitionRecord
    from learning.data import PartitionFile
    from learning.files import ModelFiles

CALIBRATED_BY = 20_000  # held-out rows, of the newest partitions
SETTLED = 0.9  # of a partition's rows whose labels have to be there: a few never come


def estimate_pending(context: Context, run_id: int | None, pending: Pending) -> Iterator[str]:
    """Estimate the champion's loss and accuracy on pending partitions with unlabelled rows: a sentence for each."""
    registry, spec = context.registry, context.spec
    done = {estimate.partition for estimate in registry.estimates(spec.name)}
    wanted = [p for p in pending.partitions if p.labelled_rows < p.rows and p.digest not in done]
    if not wanted:
        return
    if spec.objective.class_count is None:  # before anything is loaded for it
        if spec.objective.label_count > 1:
            why = "that is estimated of one output only"
        else:
            why = "a predicted number does not say how sure it is"
        yield f"cannot tell how the champion fares without labels: {why}"
        return
    champion = registry.version(spec.name, pending.champion)
    wanted = list(context.readable(champion, wanted))
    if not wanted:
        return
    start_tensorflow()
    files = context.model_files(champion)
    estimator = Estimator(spec.objective, known_rows(context, files, pending.champion), spec.gate.confidence)
    paths, cache = context.partition_files(wanted), context.settings.cache
    found = predict(context.spec_of(champion), files, paths, split="all", cache=cache, unlabelled=True)
    blocks = found.partition if found.block is None else found.block
    for place, partition in enumerate(wanted):
        rows = found.partition == place
        if not np.isnan(found.target[rows]).any():  # what is left of it are rows between two examples
            continue
        told = estimator.estimate(found.prediction[rows], blocks[rows])
        new = [NewEstimate(partition.digest, f.metric, int(rows.sum()), f.value, f.low, f.high) for f in told.figures]
        registry.record_estimates(spec.name, pending.champion, new, run_id)
        yield f"{rows.sum():,} rows from {partition.time_from:%Y-%m-%d %H:%M}: {told.reason}"


def known_rows(context: Context, files: ModelFiles, champion: int) -> Known:
    """Held-out rows of the newest partitions that the champion's line learned from, as the champion predicts them."""
    spec, rows, since = context.spec, 0, judged_since(context)
    chosen: list[PartitionRecord] = []
    for partition in reversed(judging(context.registry.trained_on(spec.name, champion), since)):
        if rows < CALIBRATED_BY:
            chosen.insert(0, partition)
            rows += partition.holdout_rows
    own = context.spec_of(context.registry.version(spec.name, champion))
    paths, cache = context.partition_files(chosen), context.settings.cache
    found = predict(own, files, paths, split="holdout", cache=cache, since=since)
    return Known(found.target, found.prediction, found.partition if found.block is None else found.block)


def settle(context: Context, run_id: int | None) -> None:
    """Score versions on partitions of which they were estimated, once nearly all labels of those are there."""
    registry, spec = context.registry, context.spec
    still = dict.fromkeys((e.number, e.partition) for e in registry.estimates(spec.name) if e.truth is None)
    if not still:
        return
    partitions = {partition.digest: partition for partition in registry.partitions(spec.name)}
    for number, digest in still:
        partition = partitions.get(digest)
        again = [p for p in partitions.values() if partition and p.kind != "rows" and overlap(p, partition)]
        if partition and again:
            settle_one(context, run_id, number, partition, again)


def settle_one(
    context: Context, run_id: int | None, number: int, partition: PartitionRecord, again: Sequence[PartitionRecord]
) -> None:
    """Score a version on the rows of a partition whose labels are in later ones, if those are nearly all."""
    registry, spec = context.registry, context.spec
    version = registry.version(spec.name, number)
    [own], paths = context.partition_files([partition]), context.partition_files(context.readable(version, again))
    keys = pl.read_parquet(own.path, columns=list(spec.schema.key))
    places = [positions(path, keys) for path in paths]
    if sum(map(len, places)) < SETTLED * keys.height or not comparable(version.plan.get(MADE_FOR), spec):
        return
    start_tensorflow()
    made_for, files, cache = context.spec_of(version), context.model_files(version), context.settings.cache
    found = predict(made_for, files, paths, split="all", cache=cache, since=judged_since(context))
    mine = np.zeros(len(found.target), bool)
    for place, rows in enumerate(places):
        mine |= (found.partition == place) & np.isin(found.rows, rows)
    if mine.any():
        measured = figures(spec.objective, found.target[mine], found.prediction[mine])
        registry.record_scores(spec.name, number, [NewScores(partition.digest, int(mine.sum()), measured)], run_id)


def overlap(one: PartitionRecord, other: PartitionRecord) -> bool:
    """Whether two partitions have rows of the same time."""
    return one.time_from <= other.time_to and other.time_from <= one.time_to


def positions(file: PartitionFile, keys: pl.DataFrame) -> NDArray[np.int64]:
    """Where the rows of these keys are in a file."""
    rows = pl.read_parquet(file.path, columns=keys.columns).with_row_index("evergreen row")
    return rows.join(keys, on=keys.columns, how="semi")["evergreen row"].cast(pl.Int64).to_numpy()


@step("estimate performance")
def estimate_performance(run: Run, pending: Pending) -> None:
    """Estimate how the champion fares where labels are missing, and settle earlier estimates."""
    for told in estimate_pending(run.context, run.id, pending):
        run_logger().info(told)
    settle(run.context, run.id)
