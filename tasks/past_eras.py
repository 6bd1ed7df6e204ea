"""The past eras that a challenger is asked about: which version knows each best, and whether the world has left it."""

from __future__ import annotations

from collections.abc import Mapping
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


def eras_left(context: Context, champion: VersionRecord, rows: Rows, against: Mapping[str, int]) -> dict[str, str]:
    """The eras that the world has left, each with a clause that says why: a champion that follows it sees no turn.

    The version that knew an era better than the champion does is shown worse than the champion on what is pending. So
    the two tell two worlds apart, and no challenger can be right about both. The margin is that of forgetting, and the
    chance of error that of a family of eras, as where a challenger is refused.

    Args:
        context: what is opened for the model.
        champion: the champion.
        rows: the new ones, of which those judge that neither of both has learned, and not only the proving window.
        against: era to the number of the version that knew it better.
    """
    learned = {one.digest for one in context.registry.partly_learned(context.spec.name, champion.number)}
    new = [one for one in rows.new if one.digest not in learned]
    if rows.since is None or not against or not new:
        return {}
    spec, since, losses = context.spec, rows.learned_before, []
    now = predict_with(context, champion, new, split="all", columns=spec.schema.entity, since=since)
    entity = numbered(now.columns)
    for era, number in against.items():
        version = context.registry.version(spec.name, number)
        if len(context.readable(version, new)) < len(new):
            continue
        then = predict_with(context, version, new, split="all", since=since).prediction
        names = np.full(len(now.target), era)
        pair = Paired(now.target, now.prediction, then, names, {}, entity, now.block, weight=now.weight).weighing()
        losses += parts(pair, spec.objective, frozenset(), {}) if len(pair.target) else []
    return {
        (era := one.figure.dataset): f"not counted, as the world has left it: {era} (version {against[era]}, which "
        f"knew it better, is worse than the champion on what is pending: {one.change})"
        for one in compare_all(losses, spec.objective.loss_name, spec.gate)
        if one.figure.verdict == FORGOTTEN
    }
