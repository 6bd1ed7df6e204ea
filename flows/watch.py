"""Watch a champion between its retrains: does it fare as it did, and is what arrives like what it learned from?"""

from prefect import flow

from db.records import RunEnding
from tasks.check_drift import begin_drift_check, check_drift
from tasks.check_model import check_model
from tasks.check_performance import check_performance
from tasks.decide_retrain import decide_retrain, watched
from tasks.emit_events import emit_events
from tasks.estimate_performance import estimate_performance
from tasks.find_pending import find_unwatched, unstarted
from tasks.run import end_run, recorded_run
from tasks.score_champion import score_champion
from tasks.take_arrivals import take_arrivals


@flow(name="watch", flow_run_name="{model} · watch")
def watch(model: str) -> str:
    """Take what arrived, check it and the champion, and tell by events what a retrain should be started for.

    It trains nothing, and promotes and rolls back nothing: that is the retrain's.

    Returns:
        How the run ended: "due" if a retrain is worth it now, "waiting", "no new data" or "needs attention".
    """
    with recorded_run(model) as run:
        if reason := unstarted(run):
            return end_run(run, RunEnding("no new data", "skip", reason))
        if ending := check_model(run):
            return end_run(run, ending)

        take_arrivals(run)
        pending = find_unwatched(run)
        if pending.settled:
            return end_run(run, RunEnding("no new data", "skip", pending.settled))

        comparison = begin_drift_check(run, pending)
        score_champion(run, pending)
        estimate_performance(run, pending)
        performance = check_performance(run, pending)
        drift = check_drift(run, pending, comparison)
        ending = watched(decide_retrain(run, pending, drift, performance))
        emit_events(run, ending)
        return end_run(run, ending, pending.work_key)
