"""What challengers are trained with when the model's own plan is not enough: a ladder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from learning.assembly import EVERY_LAYER
from learning.plans import FineTune, FromScratch, Stage

if TYPE_CHECKING:
    from learning.spec import ModelSpec

THAWED_RATE = 0.1  # of a thawed base, as a share of the head's


def last_rung(spec: ModelSpec) -> int:
    """The level that lets the base learn as well, where the ladder has one; else 0.

    Example:
        >>> from models.flights import spec
        >>> last_rung(spec)
        0
    """
    ladder = spec.retrain.escalate
    return len(ladder) if {"thaw", "from scratch"} & set(ladder) else 0


def escalated(spec: ModelSpec, level: int) -> FineTune | FromScratch:
    """The plan at a level of the ladder `RetrainPolicy.escalate`: 0 is the model's own, the last is never left.

    Example:
        >>> from models.flights import spec
        >>> escalated(spec, 0) is spec.finetune
        True
        >>> escalated(spec, 1).replay.recent
        1.0
    """
    plan, ladder = spec.finetune, spec.retrain.escalate[: max(level, 0)]
    if not ladder or isinstance(plan, FromScratch):
        return plan
    if ladder[-1] == "from scratch":
        return FromScratch(warm_start=True)
    if "recent replay" in ladder:
        plan = replace(plan, replay=replace(plan.replay, recent=1.0))
    if ladder[-1] == "thaw":
        last = plan.stages[-1]
        rate = THAWED_RATE * last.rate(spec.pretrain)
        pace = {name: getattr(last, name) for name in ("epochs", "steps", "more", "batch_size")}
        thawed = Stage("escalated", thaw=(EVERY_LAYER,), learning_rate=rate, **pace)
        plan = replace(plan, stages=(*plan.stages, thawed))
    return plan
