"""What a run is called in Prefect: first what it is to do, and in the end of which rows it was and what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from prefect import get_client, runtime
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from db.records import CAME_TO, CUT_SHORT, DRY_RUN, NEEDS_ATTENTION, STUCK, RunEnding
from tasks.logs import run_logger
from tasks.start_on_arrival import ARRIVAL

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from db.registry import ModelRegistry

BETWEEN = " · "
PATIENCE = 2.0  # seconds for the server to answer; the run goes on without a better name
TAG = "evergreen"
OUTCOMES = {*CAME_TO, *CUT_SHORT, DRY_RUN, NEEDS_ATTENTION}  # tags of an earlier start of the same flow run

# How the gate's sentence begins, and what that is in a word or two.
REFUSALS = {
    "forgotten": "forgotten",
    "harmed": "harmed",
    "no prediction": "no prediction",
    "cannot tell": "cannot tell",
    "too slow": "too slow",
    "rule '": "own rule broken",
    "shown worse": "worse",
    "the loss is shown worse": "worse",
    "not shown better": "not better",
    "not proven": "not proven",
    "nothing was learned": "nothing learned",
}


def ended_name(model: str, rows: str, ending: RunEnding, detail: str) -> str:
    """The name of a run that ended: its model and rows, what it came to, and more of that.

    Example:
        >>> ended_name("flights", "2013-W14", RunEnding("rejected", "retrain", "forgotten on 2013"), "forgotten")
        'flights 2013-W14 · rejected · forgotten'
    """
    return BETWEEN.join(filter(None, (f"{model} {rows}".strip(), ending.outcome, detail)))


def period(partitions: Sequence[PartitionRecord]) -> str:
    """The day, the week or the weeks of partitions' rows, as a name has them; nothing of none."""
    if not partitions:
        return ""
    first, last = min(p.time_from for p in partitions), max(p.time_to for p in partitions)
    return days(first, last)


def days(first: datetime, last: datetime) -> str:
    """The day, the week or the weeks from one time to another.

    Example:
        >>> days(datetime(2013, 4, 1), datetime(2013, 4, 7)), days(datetime(2013, 4, 1), datetime(2013, 4, 1, 9))
        ('2013-W14', '2013-04-01')
    """
    if first.date() == last.date():
        return f"{first:%Y-%m-%d}"
    weeks = dict.fromkeys(f"{at:%G-W%V}" for at in (first, last))
    return " to ".join(weeks)


def more_of(registry: ModelRegistry, run_id: int, ending: RunEnding, attention: Sequence[str] = ()) -> str:
    """What a run's name says beside its outcome: which version was promoted, or why none was.

    Args:
        registry: has what the run recorded.
        run_id: the run.
        ending: what it came to, whatever else needs attention.
        attention: sentences about that.
    """
    if any(sentence.startswith("rolled back") for sentence in attention):
        return "rolled back"
    if attention and ending.outcome not in CUT_SHORT:
        return ending.outcome
    if ending.outcome in {"rejected", STUCK}:
        judged = registry.run_evaluations(run_id)[-1:]
        return next((in_a_word(evaluation.reason) for evaluation in judged), "")
    if ending.outcome == "waiting" and ending.reason.startswith("the data are broken"):
        return "data broken"
    number = registry.promoted_by(run_id)
    return f"version {number}{' promoted' * (ending.outcome != 'promoted')}" if number else ""


def in_a_word(refusal: str) -> str:
    """A word or two for why the gate refused.

    Example:
        >>> in_a_word("forgotten on 2013-01-01 to 2013-02-25 (+9.1% on 55 blocks), although better so far")
        'forgotten'
    """
    return next((word for begins, word in REFUSALS.items() if refusal.startswith(begins)), "")


def tags(before: Iterable[str], model: str, outcome: str) -> list[str]:
    """The tags of a run that ended: those that it had, its model and its outcome.

    Example:
        >>> tags(["night", "rejected"], "flights", "promoted")
        ['evergreen', 'flights', 'night', 'promoted']
    """
    return sorted({*before} - OUTCOMES | {TAG, model, outcome})


def rename(name: str, labels: Sequence[str]) -> None:
    """Give the flow run that this is its name and tags; if Prefect gives no answer, it keeps those that it has."""
    if not runtime.flow_run.id:
        return
    try:
        # With Prefect's own retries, a server that hangs would cost a run minutes at its end.
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(httpx_settings={"timeout": PATIENCE}, sync_client=True) as client,
        ):
            client.update_flow_run(UUID(str(runtime.flow_run.id)), name=name, tags=labels)
    except Exception:  # noqa: BLE001 - whatever a server or the way to it may do
        run_logger().warning("the run could not be named %r in Prefect", name, exc_info=True)


def trigger() -> str:
    """Who or what started the flow run: a command, or a deployment's schedule, an event, an arrival, or a person."""
    deployment, context = runtime.deployment.name, FlowRunContext.get()
    if not deployment:
        return "by hand"
    started = context.flow_run if context else None
    by = started.created_by if started else None
    if started and started.auto_scheduled:
        return f"deployment {deployment}, by its schedule"
    if ARRIVAL in runtime.flow_run.tags:
        return f"deployment {deployment}, by an arrival"
    return f"deployment {deployment}, by {'an event' if by and by.type == 'AUTOMATION' else 'a person'}"
