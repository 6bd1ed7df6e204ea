"""Tell the world what a run found, by Prefect events: wake-ups, for automations and for people.

The registry has it first, and a schedule is the backstop: an event that gets lost changes nothing for good.
"""

from __future__ import annotations

from textwrap import shorten

from prefect import get_client
from prefect.events import emit_event
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from db.records import STUCK as IS_STUCK
from db.records import WATCH, RunEnding, came_to
from monitoring.alarms import REASON, STUCK, Alarm, news
from tasks.logs import by_prefect, run_logger
from tasks.run import Context, Run, step

NEWEST = 20  # checks among which the one before is looked for
PATIENCE = 2.0  # seconds for the server's sign of life


def told_by(context: Context, run_id: int, ending: RunEnding) -> tuple[Alarm, ...]:
    """What a run has to tell: what its checks found that is new, or what waited so far and has now become due."""
    registry, model = context.registry, context.spec.name
    before = registry.newest_run(model, ("wait", "retrain", WATCH))
    again = ending.outcome == "due" and before is not None and came_to(before) == "waiting"
    checks = registry.drift_checks(model, NEWEST), registry.performance_checks(model, NEWEST)
    return news(run_id, *checks, again=again)


def emit(run: Run, alarms: tuple[Alarm, ...], flow: str) -> None:
    """Emit events about the run's model, if the server answers; whatever comes in the way, the run goes on.

    `flow` says who found it: what a retrain found starts no other one.
    """
    if not alarms or run.dry:
        return
    try:
        if by_prefect() and (silence := unanswered()) is not None:
            run_logger().warning("%d events were not emitted: %s", len(alarms), silence)
            return
        for alarm in alarms:
            resource = {"prefect.resource.id": f"evergreen.model.{run.model}", "evergreen.flow": flow}
            if by_prefect():
                emit_event(alarm.event, resource, payload=alarm.facts)
            run_logger().warning("%s: %s", alarm.event, alarm.facts["reason"])
    except Exception:  # noqa: BLE001 - whatever a server or the way to it may do
        run_logger().warning("events could not be emitted", exc_info=True)


def unanswered() -> Exception | None:
    """Why the Prefect server gives no sign of life; None if it does."""
    # Asked six times, as Prefect does by itself, a server that hangs would cost 80 s.
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(httpx_settings={"timeout": PATIENCE}, sync_client=True) as client,
    ):
        return client.api_healthcheck()


@step("tell what was found")
def emit_events(run: Run, ending: RunEnding) -> None:
    """Tell, once, what the run's checks found."""
    emit(run, told_by(run.context, run.id, ending), "watch" if ending.decision == WATCH else "retrain")


@step("tell that it is stuck")
def emit_stuck(run: Run, ending: RunEnding) -> None:
    """Tell that the model is stuck, if it is."""
    if ending.outcome == IS_STUCK:
        reason = shorten(ending.reason, REASON, placeholder=" …")
        emit(run, (Alarm(STUCK, {"run": run.id, "reason": reason}),), "retrain")
