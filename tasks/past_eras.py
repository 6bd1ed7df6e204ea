"""The past eras that a challenger is asked about, and which version knows each best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.losses import row_losses
from learning.changes import MADE_FOR, comparable
from tasks.predictions import predict_with

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
