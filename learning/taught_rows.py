"""The rows of one fine-tuning: new ones, old ones beside them, and those that are held back to choose the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from learning.checkpoint import TrainingState
from learning.data import Selection, row_count
from learning.held_back import Divided, all_of, hold_back
from learning.plans import FineTune, Pretrain, Stage
from learning.regression import Regression
from learning.replay import draw, usual_shares
from learning.spec import ModelSpec
from learning.weights import Shares, drawn_more


@dataclass(frozen=True)
class TaughtRows:
    """The rows of one fine-tuning: those to learn from, those to choose by, the replayed ones among them.

    Args:
        learning: new and replayed ones.
        validating: they choose the epoch.
        replayed: old ones.
        old: those that show what an anchor is to hold.
        new: how many are new.
        refit: epochs by stage, where those were chosen before.
        more: how much more often than usual each class is among those to learn from, where old rows come by class.
    """

    learning: list[Selection]
    validating: list[Selection]
    replayed: list[Selection]
    old: list[Selection]
    new: int
    refit: Mapping[str, int] | None
    more: Shares | None = None

    def epochs(self, stage: Pretrain | Stage) -> int | None:
        """How many a stage is to keep; None where rows are held back to choose."""
        return None if self.refit is None else self.refit[stage.name]


def taught_rows(  # noqa: PLR0913 - the last by name
    spec: ModelSpec,
    plan: FineTune,
    fresh: Sequence[Selection],
    past: Sequence[Selection],
    how: tuple[int, Mapping[str, int] | None],
    *,
    calibrated: bool,
) -> TaughtRows:
    """New rows and replayed ones, divided.

    Args:
        spec: the model.
        plan: how many are replayed, and held back.
        fresh: the new rows.
        past: the old ones, of which some are replayed if the plan says so.
        how: the seed, and epochs by stage where those were chosen before: then no row is held back.
        calibrated: whether chances are put right by the rows held back.

    Raises:
        NotEnoughData: there are no new rows.
    """
    seed, refit = how
    replayed = draw(plan.replay, past, row_count(fresh), seed) if replays(plan) else []
    evenly = plan.replay.balance == "classes" and not isinstance(spec.objective, Regression)
    # Rows that were drawn by class do not choose: of them, chances of the world as it is look worse than they are.
    choosing = [] if evenly else replayed
    divided: Divided = [*all_of(fresh), *choosing], []
    if refit is None:
        count = spec.objective.class_count or 0
        put_right = count if calibrated else 0
        divided = hold_back(spec.schema, fresh, plan, seed, choosing, classes=count > 0, calibrated=put_right)
    learning, validating = divided
    more = None
    if evenly:
        usual = usual_shares(plan.replay, past, row_count(fresh), spec.objective.class_count or 0)
        more, learning = drawn_more(learning, replayed, usual), [*learning, *replayed]
    return TaughtRows(learning, validating, replayed, replayed or list(past), row_count(fresh), refit, more)


def replays(plan: FineTune) -> bool:
    """Whether a plan mixes old rows in."""
    return plan.replay.rows != 0 and plan.replay.share > 0


def reason_of(rows: TaughtRows, states: Sequence[TrainingState], anchor: float) -> str:
    """How a fine-tuning went, in a sentence: what was learned from, and how long each stage learned."""
    learned = f"{rows.new:,} new and {row_count(rows.replayed):,} replayed rows"
    if anchor and not row_count(rows.old):
        learned += ", anchored to nothing, as there are no old rows to say what matters"
    if rows.refit is not None:
        epochs = [f"stage '{name}' {number} epochs" for name, number in rows.refit.items() if number]
        return f"{learned}, refit as proven: {', '.join(epochs) or 'no epoch, so that it is as it began'}"
    stages = []
    for state in states:
        kept = f"kept epoch {state.best_epoch}" if state.best_epoch else "no epoch was better than the start"
        stages.append(f"stage '{state.stage}' ran {state.epoch} epochs and {kept}{state.remark}")
    return f"{learned}; " + "; ".join(stages)
