"""Whether what came before the world turned is learned on: unless it stands against the world as it is now.

Who leaves the past forgets it, which is right where the same rows have another answer now. Where there are only other
rows, the past is no burden, and may come back. So a challenger is trained each way, and rows that neither trained on,
nor are to judge it, say what it costs to keep the past: it is kept where that is little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.intervals import Interval, mean_interval
from evaluation.losses import row_losses
from learning.plans import FromScratch
from learning.prediction import predict
from learning.taught_rows import replays
from tasks.logs import run_logger
from tasks.unlearned import judging

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from learning.files import Trained
    from learning.plans import FineTune
    from monitoring.decision import Pending
    from tasks.run import Context

PAST = "past"  # in a version's plan
COST = 0.1  # of what a challenger without the past is better than a constant: so much it may cost to keep it
FEWEST = 30  # rows, below which nothing is said
AGAIN = 2  # times the rows of the answer before


@dataclass(frozen=True)
class Agreement:
    """Whether a version learned on from what came before a turn.

    Args:
        turned: since when the world is another.
        kept: whether older rows are replayed.
        shown: whether that is shown to cost little, or to cost more; else it is asked again.
        rows: how many came since the turn when that was asked.
    """

    turned: datetime
    kept: bool
    shown: bool
    rows: int

    @property
    def recorded(self) -> dict[str, Any]:
        """For a version's plan."""
        return {PAST: asdict(self) | {"turned": self.turned.isoformat()}}


def agreement_of(plan: Mapping[str, Any], turned: datetime | None) -> Agreement | None:
    """What a version's plan says of the past before a turn; None if nothing, as of another turn.

    Example:
        >>> turned = datetime(2026, 1, 9)
        >>> agreement_of(Agreement(turned, kept=True, shown=True, rows=500).recorded, turned)
        Agreement(turned=datetime.datetime(2026, 1, 9, 0, 0), kept=True, shown=True, rows=500)
        >>> agreement_of({}, turned)
    """
    found = plan.get(PAST)
    if not found or not turned or found["turned"] != turned.isoformat():
        return None
    return Agreement(turned, found["kept"], found["shown"], found["rows"])


def proving_since(pending: Pending) -> datetime | None:
    """When the rows begin that no training learns from; None where held-out ones judge. Of folds, it is the newest."""
    return pending.folds[-1] if pending.folds else pending.prove_from


def find_agreement(
    context: Context,
    pending: Pending,
    plan: FineTune | FromScratch,
    turned: datetime | None,
    train: Callable[..., Trained],
) -> Agreement | None:
    """Whether the past may be learned on; None where the world did not turn, or too little is known to say.

    Nor is it asked where the plan learns nothing of the past. What was shown for the champion holds for this turn: one
    retrain of many costs a champion that follows the new world less than the first one. What was not is asked again
    when twice as much is known.

    Args:
        context: what is opened for the model.
        pending: the work.
        plan: what a challenger is trained with.
        turned: since when the world is another.
        train: trains a challenger, as `tasks.finetune.training` gives it.
    """
    until, looks_back = proving_since(pending), isinstance(plan, FromScratch) or replays(plan) or plan.anchor > 0
    if not turned or not looks_back or (until and turned >= until):  # the last: all rows of the new world judge
        return None
    registry, model = context.registry, context.spec.name
    champion = registry.version(model, pending.champion)
    since = judging((*registry.trained_on(model, champion.number), *pending.partitions), turned)
    rows = sum(partition.rows for partition in since)
    known = agreement_of(champion.plan, turned)
    if known and (known.shown or rows < AGAIN * known.rows):
        return known
    name = "asked" if pending.folds else ""  # a challenger that leaves out the proving window is the one to be judged
    ways = (Agreement(turned, kept=kept, shown=False, rows=rows) for kept in (False, True))
    trained = [train(name, agreement=one, before=until) for one in ways]
    same = trained[0].files.head_digest == trained[1].files.head_digest  # neither learned anything, which says nothing
    cost = None if same else cost_of_past(context, champion.base.digest, since, (turned, until), trained)
    if cost is None:
        return None
    return Agreement(turned, kept=cost.mean <= 0, shown=cost.high <= 0 or cost.low > 0, rows=rows)


def cost_of_past(
    context: Context,
    base: str,
    partitions: tuple[PartitionRecord, ...],
    span: tuple[datetime, datetime | None],
    trained: list[Trained],
) -> Interval | None:
    """What a challenger with the past loses on rows since the turn, above what it may; None of few rows.

    Args:
        context: what is opened for the model.
        base: digest of the champion's base, whose features are cached; of a new one, nobody asks again.
        partitions: that have rows since the turn.
        span: which of their held-out rows say it.
        trained: the challenger without the past, and the one with it.
    """
    spec, files, losses = context.spec, context.partition_files(partitions), []
    for one in (way.files for way in trained):
        cache = context.settings.cache if one.base_digest == base else None
        found = predict(spec, one, files, split="holdout", cache=cache, since=span[0], before=span[1])
        if len(found.target) < FEWEST or (found.weight is not None and not found.weight.any()):
            return None
        losses.append(row_losses(spec.objective, found.target, found.prediction))
    constant = spec.objective.constant(found.target, found.weight)
    usual = spec.objective.row_loss(found.target, np.tile(constant, (len(found.target), 1)))
    left, kept = losses
    blocks = [] if found.block is None else [found.block]
    cost = mean_interval(kept - left - COST * (usual - left), blocks, spec.gate.confidence, found.weight)
    means = [float(np.average(each, weights=found.weight)) for each in (kept, left, usual)]
    told = "held out since the turn: loss %.4f with what came before it, %.4f without, %.4f of a constant; it is %s"
    run_logger().info(told, *means, "kept" if cost and cost.mean <= 0 else "left")
    return cost
