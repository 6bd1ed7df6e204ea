"""Has the champion's base aged? What arrives is compared with the rows that this base was built from."""

from __future__ import annotations

from db.arrival_records import PartitionRecord
from errors import NotEnoughData
from learning.plans import FineTune
from monitoring.ageing import aged
from monitoring.decision import Pending
from monitoring.samples import draw
from tasks.drift_windows import window_files, without_late_labels
from tasks.run import Context

ROWS = 5_000  # of each side
AGED = (
    "the base ages: since version {number} built it, {what}. `FineTune(readapt=True)` lets it follow, and `evergreen "
    "retrain {model} --from-scratch` builds it anew"
)


def built_from(context: Context, champion: int) -> tuple[int, tuple[PartitionRecord, ...]]:
    """The version that made the champion's base, and the partitions that its line had learned by then."""
    registry, model = context.registry, context.spec.name
    line = registry.lineage(model, champion)
    made = [version.number for version in line if version.base.digest == line[0].base.digest][-1]
    return made, registry.trained_on(model, made)


def ageing(context: Context, pending: Pending) -> str:
    """That much of what arrived is nothing that the base was adapted to, with the ways; "" if it is not so.

    With `readapt`, or from scratch, the next challenger has a base that is adapted to it anyway.
    """
    schema, plan = context.spec.schema, context.spec.finetune
    arrived = without_late_labels(pending.partitions)
    if not isinstance(plan, FineTune) or plan.readapt or not arrived:
        return ""
    number, partitions = built_from(context, pending.champion)
    columns = (*schema.categorical, *schema.numeric)
    sides = [window_files(context, without_late_labels(some)) for some in (partitions, arrived)]

    def compared() -> str:
        try:
            known, now = (draw(side.rows, columns, ROWS) for side in sides)
        except NotEnoughData:
            return ""
        return aged(known, now, schema.categorical, schema.numeric)

    what = context.past.kept_of_rows("ageing", context.spec, sides, compared) if context.past else compared()
    return AGED.format(number=number, what=what, model=context.spec.name) if what else ""
