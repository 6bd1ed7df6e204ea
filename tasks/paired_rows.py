"""The rows on which a challenger meets the champion, predicted by both: the proving window, past eras, slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from errors import NotEnoughData
from evaluation.eras import past_eras
from evaluation.gate import NEWEST, PROVING, Paired
from evaluation.losses import row_losses
from learning.changes import MADE_FOR, comparable
from learning.data import Split
from learning.prediction import Predictions, predict
from learning.startup import start_tensorflow
from learning.thresholds import threshold_of
from monitoring.track_record import world_turned
from tasks.predictions import predict_with
from tasks.unlearned import later

if TYPE_CHECKING:
    from datetime import datetime

    from db.arrival_records import PartitionRecord
    from db.records import VersionRecord
    from learning.spec import ModelSpec
    from tasks.register_version import Fold
    from tasks.run import Context

SEARCHED_ROWS, SEARCHED_COLUMNS = 300_000, 60  # at most


@dataclass(frozen=True)
class Rows:
    """Which rows are predicted.

    Args:
        past: partitions that the champion's line learned from; their held-out rows are the past eras.
        new: those that it has not.
        since: where the proving window begins; None where the held-out rows of `new` are judged.
        learned_before: rows before this time judge nothing; None where all may.
    """

    past: tuple[PartitionRecord, ...]
    new: tuple[PartitionRecord, ...]
    since: datetime | None = None
    learned_before: datetime | None = None

    def predicted(self, context: Context, version: VersionRecord, columns: Sequence[str] = ()) -> Predictions:
        """What a version says of them: new rows first, then those of the past."""
        split: Split = "holdout" if self.since is None else "all"
        since = later(self.since, self.learned_before)
        first = predict_with(context, version, self.new, split=split, columns=columns, since=since)
        second = predict_with(context, version, self.past, split="holdout", columns=columns, since=self.learned_before)
        return first.followed_by(second, len(self.new))

    @property
    def remark(self) -> str:
        """What a verdict's sentence has to say of how they were judged; "" of a window that nobody learned."""
        return ""


@dataclass(frozen=True)
class FoldedRows(Rows):
    """Rows that decide, where the challenger learned them all: for it speak those that each left a fold of them out.

    Args:
        challenger: number of the challenger.
        folds: all new rows, and who left them out.
    """

    challenger: int = field(kw_only=True)
    folds: tuple[Fold, ...] = field(kw_only=True)

    def predicted(self, context: Context, version: VersionRecord, columns: Sequence[str] = ()) -> Predictions:
        """What a version says of them, then of the past."""
        if version.number != self.challenger:
            return super().predicted(context, version, columns)
        past = Rows(self.past, (), self.since, self.learned_before).predicted(context, version, columns)
        spec, new = context.spec, context.partition_files(self.new)
        parts = [
            predict(
                spec,
                fold.files,
                new,
                split="all",
                cache=context.settings.cache if fold.files.base_digest == version.base.digest else None,
                columns=columns,
                since=later(fold.since, self.learned_before),
                before=fold.until,
            )
            for fold in self.folds
        ]
        found = reduce(lambda one, other: one.followed_by(other, 0), parts)
        return found.take(np.lexsort((found.rows, found.partition))).followed_by(past, len(new))

    @property
    def remark(self) -> str:
        """That all rows judge, and how."""
        return (
            f"the newest rows alone hold too few events, so all new ones judge, in {len(self.folds)} folds, each by a "
            "challenger that learned from the others"
        )


@dataclass(frozen=True)
class Meeting:
    """Paired predictions, and what the gate has to know of them.

    Args:
        paired: the rows.
        challenger: what the challenger says of them.
        uncounted: eras that began before the world turned: to have forgotten them is no fault.
        against: era to the version that it is compared with, where that is not the champion.
    """

    paired: Paired
    challenger: Predictions
    uncounted: frozenset[str]
    against: Mapping[str, int]


def meet(context: Context, challenger: VersionRecord, champion: VersionRecord | None, rows: Rows) -> Meeting:
    """Predict the rows with both versions; without a champion, a constant stands in its place.

    Raises:
        NotEnoughData: rows have weights, and not one of these counts.
    """
    start_tensorflow()
    registry, spec = context.registry, context.spec
    looked_at = searched(spec, rows)
    after = rows.predicted(
        context, challenger, tuple(dict.fromkeys((*spec.gate.slices, *spec.schema.entity, *looked_at)))
    )
    if after.weight is not None and not after.weight.any():
        received = f"{len(after.target):,} labelled rows of weight 0"
        raise NotEnoughData(
            received, "champion and challenger cannot be compared", "wait for labels of rows that count"
        )
    eras = past_eras(rows.past, spec.gate.eras)
    names = [PROVING if rows.since else NEWEST] * len(rows.new) + [eras[p.digest] for p in rows.past]
    dataset = np.array(names, "str")[after.partition]
    if champion is None:
        before = np.tile(spec.objective.constant(after.target, after.weight), (len(after.target), 1))
        references, against = None, dict[str, int]()
    else:
        before = rows.predicted(context, champion).prediction
        references, against = best_of_each_era(context, champion, rows, eras, (after, before, dataset))
    turned = world_turned(registry, spec)
    begun = {eras[p.digest]: p.time_from for p in reversed(rows.past)}
    uncounted = frozenset(name for name, start in begun.items() if turned and start < turned)
    paired = Paired(
        after.target,
        before,
        after.prediction,
        dataset,
        slices={column: after.columns[column] for column in spec.gate.slices},
        entity=numbered({column: after.columns[column] for column in spec.schema.entity}),
        block=after.block,
        reference_prediction=references,
        weight=after.weight,
        searched={column: after.columns[column] for column in looked_at},
        thresholds=(threshold_of(champion.plan) if champion else None, threshold_of(challenger.plan)),
    )
    return Meeting(paired, after, uncounted, against)


def searched(spec: ModelSpec, rows: Rows) -> tuple[str, ...]:
    """The columns in which is looked for where a challenger does worst; none of very many rows: it would take long.

    Columns that name a row or an entity are none of them: a verdict tells nothing of a single patient.
    """
    judged = sum(p.rows for p in rows.new) + sum(p.holdout_rows for p in rows.past)
    if judged > SEARCHED_ROWS:
        return ()
    schema = spec.schema
    names = {*schema.key, *schema.entity}
    return tuple(name for name in (*schema.numeric, *schema.categorical) if name not in names)[:SEARCHED_COLUMNS]


def best_of_each_era(
    context: Context,
    champion: VersionRecord,
    rows: Rows,
    eras: Mapping[str, str],
    found: tuple[Predictions, NDArray[Any], NDArray[np.str_]],
) -> tuple[NDArray[Any], dict[str, int]]:
    """What the better of two says of each era: the champion, or the version that was promoted when the era was over.

    Compared with the champion alone, a loss of a little at every step would never be seen.
    """
    spec, registry = context.spec, context.registry
    after, before, dataset = found
    references, against = before.copy(), dict[str, int]()
    learners = registry.learners(spec.name, champion.number)
    for era in dict.fromkeys(eras.values()):
        partitions = [p for p in rows.past if eras[p.digest] == era]
        learner, mine = learners[partitions[-1].digest], dataset == era
        if learner == champion.number or not mine.any():
            continue
        version, since = registry.version(spec.name, learner), rows.learned_before
        if not comparable(version.plan.get(MADE_FOR), spec):
            continue
        then = predict_with(context, version, partitions, split="holdout", since=since).prediction
        of = None if after.weight is None or not after.weight[mine].any() else after.weight[mine]
        losses = (row_losses(spec.objective, after.target[mine], one) for one in (then, before[mine]))
        if np.average(next(losses), weights=of) < np.average(next(losses), weights=of):
            references[mine], against[era] = then, learner
    return references, against


def numbered(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.uint64] | None:
    """A number for every combination of values, shape (rows,); None of no columns."""
    if not columns:
        return None
    return pl.DataFrame(dict(columns)).select(pl.struct(pl.all()).hash()).to_series().to_numpy()
