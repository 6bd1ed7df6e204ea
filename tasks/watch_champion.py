"""Watch a promotion: the version that it replaced is scored on, and comes back if it is shown to have been better."""

from __future__ import annotations

from db.records import PromotionRecord
from errors import PromotionConflict
from evaluation.watch import shown_worse
from learning.changes import MADE_FOR, comparable
from tasks.run import Context, Run, step

ACTOR = "watch"


def predecessor(context: Context) -> tuple[int, ...]:
    """The version that the champion replaced by the gate's verdict, if any, and if it may still come back."""
    registry, model = context.registry, context.spec.name
    history = registry.promotions(model)
    if len(history) < 2 or history[-1].evaluation_id is None:  # what a person put there, a person takes away
        return ()
    number = history[-2].number
    same = comparable(registry.version(model, number).plan.get(MADE_FOR), context.spec)
    return (number,) if same and number not in registry.tainted(model) else ()


def roll_back(context: Context) -> PromotionRecord | None:
    """Put the predecessor back in production if the champion is shown to be worse on what arrived since."""
    registry, spec = context.registry, context.spec
    before = predecessor(context)
    if not before or not spec.gate.watch:
        return None
    newest = registry.promotions(spec.name)[-1]
    numbers = newest.number, *before
    losses = *registry.block_losses(spec.name, numbers), *registry.online_losses(spec.name, numbers)
    lived = [loss for loss in losses if not loss.proving]
    champion, other = ([loss for loss in lived if loss.number == number] for number in (newest.number, *before))
    reason = shown_worse(champion, other, spec.gate)
    if not reason:
        return None
    try:
        return registry.promote(spec.name, *before, seen=newest.sequence, kind="rollback", actor=ACTOR, reason=reason)
    except PromotionConflict:  # somebody else acted in the meantime, on what they know
        return None


@step("take the champion back if it is worse")
def roll_back_if_worse(run: Run) -> bool:
    """Whether the champion was rolled back; the run then goes on from the version that came back."""
    done = roll_back(run.context)
    if done:
        run.attention.append(f"rolled back to version {done.number}: {done.reason}")
    return done is not None
