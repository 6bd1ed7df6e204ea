"""The past eras that a challenger is asked about: who knew each best, and whether what was known then still holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.comparison import FORGOTTEN
from evaluation.losses import row_losses
from evaluation.multiplicity import compare_all
from evaluation.paired import Paired, parts
from learning.changes import MADE_FOR, comparable
from tasks.predictions import numbered, predict_with

if TYPE_CHECKING:
    from db.records import VersionRecord
    from learning.prediction import Predictions
    from tasks.paired_rows import Rows
    from tasks.run import Context


def known_then(
    context: Context, champion: VersionRecord, rows: Rows, eras: Mapping[str, str]
) -> Iterator[tuple[str, VersionRecord]]:
    """Each era with the version that had learned it when it was over, if that is another one than the champion."""
    spec, registry = context.spec, context.registry
    learners = registry.learners(spec.name, champion.number)
    for era in dict.fromkeys(eras.values()):
        number = learners[[p for p in rows.past if eras[p.digest] == era][-1].digest]
        version = registry.version(spec.name, number)
        if number != champion.number and comparable(version.plan.get(MADE_FOR), spec):
            yield era, version


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
    spec = context.spec
    after, before, dataset = found
    references, against = before.copy(), dict[str, int]()
    for era, version in known_then(context, champion, rows, eras):
        mine = dataset == era
        if not mine.any():
            continue
        partitions = [p for p in rows.past if eras[p.digest] == era]
        then = predict_with(context, version, partitions, split="holdout", since=rows.learned_before).prediction
        of = None if after.weight is None or not after.weight[mine].any() else after.weight[mine]
        losses = (row_losses(spec.objective, after.target[mine], one) for one in (then, before[mine]))
        if np.average(next(losses), weights=of) < np.average(next(losses), weights=of):
            references[mine], against[era] = then, version.number
    return references, against


def left_behind(
    context: Context, champion: VersionRecord, rows: Rows, eras: Mapping[str, str], asked: Collection[str]
) -> frozenset[str]:
    """The eras that the world has left, step by step, as no chart of a champion that follows it can see.

    What was known when such an era was over is wrong now: of the rows that are new, its version says so much worse than
    the champion that a challenger would be refused for it elsewhere. Who still says what was right then is behind, too.

    Args:
        context: what is opened for the model.
        champion: the champion.
        rows: the new ones, all of which neither of both has learned, and the past.
        eras: partition to era.
        asked: the eras that are asked about.
    """
    if rows.since is None or not asked:
        return frozenset()
    spec, since = context.spec, rows.learned_before
    now = predict_with(context, champion, rows.new, split="all", columns=spec.schema.entity, since=since)
    names, entity = np.full(len(now.target), ""), numbered(now.columns)
    found = []
    for era, version in known_then(context, champion, rows, eras):
        if era not in asked or len(context.readable(version, rows.new)) < len(rows.new):
            continue
        then = predict_with(context, version, rows.new, split="all", since=since).prediction
        pair = Paired(now.target, now.prediction, then, names, {}, entity, now.block, weight=now.weight).weighing()
        compared = compare_all(parts(pair, spec.objective, frozenset(), {}), spec.objective.loss_name, spec.gate)
        found += [era for one in compared if one.figure.verdict == FORGOTTEN]
    return frozenset(found)
