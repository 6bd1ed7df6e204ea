"""See, before anything is taken, whether a run may go on: is the spec still the one that its champion was made for?"""

from __future__ import annotations

import polars as pl

from db.records import NEEDS_ATTENTION, RunEnding, VersionRecord
from learning.changes import MADE_FOR, Changes, changes
from learning.plans import FineTune
from learning.window import FROM, window_kinds
from monitoring.decision import Asked
from tasks.logs import run_logger
from tasks.run import Context, Run, step

FIXED = (
    "{model} keeps for life what says which rows are held out, and which a window holds: {what}. Rows that version "
    "{number} learned from would now prove it, or have other windows. To fix it: write it back; or give the model "
    "another name, in a file of that name: it starts anew on "
    "the same files, and `evergreen models retire {model}` ends this one."
)
ANSWERS = (
    "version {number} of {model} predicts something else than the spec asks for: {what}. To fix it: `evergreen "
    "bootstrap {model} --again` trains base and head anew; or write it back."
)
INPUTS = (
    "version {number} of {model}, the champion, takes other columns than the schema has: {what}. To fix it: `evergreen "
    "bootstrap {model} --again` or `evergreen retrain {model} --from-scratch` builds base and head anew, from all rows "
    "there are, and lets the gate compare them with the champion{nullable}; or write the schema back."
)
NULLABLE = (
    " (rows that arrived before have no value in {names}: name {it} in Schema.nullable first, and impute {it} in "
    "build_base)"
)
UNFILLED = (
    "rows that arrived before have no value in {names}, which may not be null: {what}. To fix it: name {it} in "
    "Schema.nullable, and impute {it} in build_base."
)
WINDOWLESS = (
    "rows of {model} were taken before its schema had {window!r}, and a row's window is kept as it arrives. To fix it: "
    "give the model another name, in a file of that name: it starts anew on the same files, and `evergreen models "
    "retire {model}` ends this one; or write the schema back."
)
BUILDERS = (
    "{what} of {model} {was} edited since version {number} was built, which stands on the text of before: `evergreen "
    "retrain {model} --from-scratch`, or `evergreen bootstrap {model} --again`, builds it anew"
)


def objection(context: Context, asked: Asked = "") -> str:
    """Why a run cannot go on with the spec as it is, with the ways, in a sentence; "" if it can.

    Args:
        context: the model.
        asked: what a person asked for: base and head anew, "again" or "from scratch".
    """
    version, found = compared(context)
    if version is None:
        return WINDOWLESS.format(model=context.spec.name, window=context.spec.schema.window) * windowless(context)
    names = ", ".join(f"'{name}'" for name in found.unfilled)
    words = {"model": context.spec.name, "number": version.number, "names": names}
    words["it"] = "it" if len(found.unfilled) == 1 else "them"
    if found.fixed:
        return FIXED.format(what=", ".join(found.fixed), **words)
    if found.answers and asked != "again":
        return ANSWERS.format(what=", ".join(found.answers), **words)
    if found.inputs and not asked:
        nullable = NULLABLE.format(**words) if found.unfilled else ""
        return INPUTS.format(what=", ".join(found.inputs), nullable=nullable, **words)
    return UNFILLED.format(what=", ".join(found.inputs), **words) if found.unfilled else ""


def compared(context: Context) -> tuple[VersionRecord | None, Changes]:
    """The champion and what the spec has other than it was made for; before there is one, of the newest version.

    Of that one only what says which rows are held out counts: nothing goes on with its base.
    """
    registry, model = context.registry, context.spec.name
    version = registry.find_champion(model)
    if version is not None:
        return version, changes(version.plan.get(MADE_FOR), context.spec)
    for newest in registry.versions(model, limit=1):
        version = registry.version(model, newest.number)
        return version, Changes(fixed=changes(version.plan.get(MADE_FOR), context.spec).fixed)
    return None, Changes()


def windowless(context: Context) -> bool:
    """Whether rows that were taken have no windows as the schema asks for, by the partition that arrived first.

    Of a model without a version nothing else tells.
    """
    kinds = window_kinds(context.spec.schema)
    partitions = context.registry.partitions(context.spec.name) if kinds else ()
    if not partitions:
        return False
    first = min(partitions, key=lambda partition: partition.arrived_at)
    return pl.read_parquet_schema(context.store.fetch(first.artifact)).get(FROM) != kinds[FROM]


def edited_builders(context: Context) -> str:
    """That the base or head in production is of another text than the builder's, with the way; "" if it is not."""
    version, found = compared(context)
    if version is None or not found.builders or not isinstance(context.spec.finetune, FineTune):
        return ""
    was = "was" if len(found.builders) == 1 else "were"
    words = {"model": context.spec.name, "number": version.number, "was": was}
    return BUILDERS.format(what=" and ".join(found.builders), **words)


def retired(context: Context) -> RunEnding | None:
    """How each run of a retired model ends; None of one that goes on."""
    event = context.registry.retired(context.spec.name)
    if event is None:
        return None
    name, day = context.spec.name, f"{event.at:%Y-%m-%d}"
    back = f"`evergreen models resume {name} --reason ...` takes it up again"
    return RunEnding("retired", "skip", f"{name} was retired on {day} by {event.actor}: {event.reason}; {back}")


@step("check the model")
def check_model(run: Run, asked: Asked = "") -> RunEnding | None:
    """How the run ends at once, where the model is retired, or cannot go on as it is; None if it can."""
    if ending := retired(run.context):
        return ending
    if reason := objection(run.context, asked):
        run_logger().warning(reason)
        return RunEnding(NEEDS_ATTENTION, "none", reason)
    if not asked and (remark := edited_builders(run.context)):
        run_logger().warning(remark)
        run.remarks.append(remark)
    return None
