"""Whether what came before the world turned is learned on: unless it stands against the world as it is now.

Who leaves the past forgets it, which is right where the same rows have another answer now. Where there are only other
rows, the past is no burden, and may come back. So a challenger is trained each way, and rows that neither trained on,
nor are to judge it, say what it costs to keep the past: it is kept where that is little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import TrainingError
from evaluation.intervals import Interval, mean_interval
from evaluation.losses import row_losses
from learning.data import row_count, select
from learning.plans import FromScratch
from learning.prediction import predict
from learning.taught_rows import replays
from tasks.judged_rows import events_of
from tasks.logs import run_logger
from tasks.paired_rows import numbered
from tasks.unlearned import judging

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from learning.data import PartitionFile
    from learning.files import Trained
    from learning.plans import FineTune
    from monitoring.decision import Pending
    from tasks.run import Context

PAST = "past"  # in a version's plan
COST = 0.1  # of what a challenger without the past is better than a constant: so much it may cost to keep it
FEWEST = 30  # rows, below which nothing is said; nor is it of fewer events than the gate asks for
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

    Nor is it asked where the plan learns nothing of the past. What was shown for any version holds for this turn: one
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
    learned = judging(context.registry.trained_on(context.spec.name, pending.champion), turned)
    new = judging(pending.partitions, turned)
    rows = sum(partition.rows for partition in (*learned, *new))
    known = newest_answer(context, turned)
    if known and (known.shown or rows < AGAIN * known.rows):
        return known
    # Held-out rows that are to judge do not choose before.
    silent = until is None or pending.folds
    base = context.registry.version(context.spec.name, pending.champion).base.digest
    asked = Asked(context, base, learned if silent else (*learned, *new), (turned, until))
    if not asked.enough:
        return None
    name = f"fold-{len(pending.folds)}" if pending.folds else ""  # those that judge are trained like that anyhow
    ways = (Agreement(turned, kept=kept, shown=False, rows=rows) for kept in (False, True))
    try:
        trained = [train(name, agreement=one, before=until) for one in ways]
    except TrainingError as error:
        run_logger().warning("whether the past agrees could not be asked, so it is left: %s", error)
        return None
    if not any(epoch for one in trained for epoch in one.kept.values()):  # both are as they began, which says nothing
        return None
    mean, interval = asked.cost(*trained)
    shown = interval is not None and (interval.high <= 0 or interval.low > 0)
    return Agreement(turned, kept=mean <= 0, shown=shown, rows=rows)


def newest_answer(context: Context, turned: datetime) -> Agreement | None:
    """What was found last for this turn, also for a challenger that was refused."""
    registry, model = context.registry, context.spec.name
    plans = registry.plans(model, [version.number for version in registry.versions(model)])
    answers = (agreement_of(plans[number], turned) for number in sorted(plans, reverse=True))
    return next(filter(None, answers), None)


@dataclass(frozen=True)
class Asked:
    """The held-out rows that say what the past costs.

    Args:
        context: what is opened for the model.
        base: digest of the champion's base, whose features are cached; of a new one, nobody asks again.
        partitions: where they are.
        span: the turn, and when the rows begin that are to judge.
    """

    context: Context
    base: str
    partitions: tuple[PartitionRecord, ...]
    span: tuple[datetime, datetime | None]

    @cached_property
    def files(self) -> tuple[PartitionFile, ...]:
        """The local files."""
        return self.context.partition_files(self.partitions)

    @property
    def enough(self) -> bool:
        """Whether they are enough to ask: two trainings take long, and a handful of events would say either."""
        spec = self.context.spec
        rows = select(spec.schema, self.files, "holdout", since=self.span[0], before=self.span[1])
        weighed = all(one.weight is None or one.weight.any() for one in rows if len(one.rows))
        enough = row_count(rows) >= FEWEST and events_of(spec.objective, rows) >= spec.gate.min_events
        return weighed and enough

    def cost(self, left: Trained, kept: Trained) -> tuple[float, Interval | None]:
        """What a challenger with the past loses on them, above what it may; its interval, if they are not all alike.

        It is without bound where the one without the past is no better than a constant: who does not follow the new
        world yet would lose nothing by the past, however much that stands against it.
        """
        spec, losses = self.context.spec, []
        for one in (left.files, kept.files):
            found = predict(
                spec,
                one,
                self.files,
                split="holdout",
                cache=self.context.settings.cache if one.base_digest == self.base else None,
                columns=spec.schema.entity,
                since=self.span[0],
                before=self.span[1],
            )
            losses.append(row_losses(spec.objective, found.target, found.prediction))
        constant = spec.objective.constant(found.target, found.weight)
        usual = spec.objective.row_loss(found.target, np.tile(constant, (len(found.target), 1)))
        alike = numbered({name: found.columns[name] for name in spec.schema.entity})
        alike_in = [groups for groups in (found.block, alike) if groups is not None]
        lost = losses[1] - losses[0] - COST * (usual - losses[0])
        mean = float(np.average(lost, weights=found.weight))
        means = [float(np.average(each, weights=found.weight)) for each in (losses[1], losses[0], usual)]
        told = "held out since the turn: loss %.4f with what came before it, %.4f without, %.4f of a constant; it is %s"
        follows = means[1] < means[2]
        run_logger().info(told, *means, "kept" if follows and mean <= 0 else "left")
        return (mean, mean_interval(lost, alike_in, spec.gate.confidence, found.weight)) if follows else (np.inf, None)
