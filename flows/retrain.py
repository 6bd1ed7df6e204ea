"""Keep a champion fresh: what arrived since it last learned, checked, learned, judged, recorded."""

from prefect import flow

from tasks.arrivals import take_arrivals
from tasks.decision import decide_retrain, find_pending
from tasks.drift_check import begin_drift_check, check_drift
from tasks.finetuning import finetune_challenger
from tasks.promotion import evaluate_and_promote
from tasks.recording import Ending, end_run, recorded_run
from tasks.reporting import report
from tasks.scoring import score_version


@flow(name="retrain", flow_run_name="retrain {model}")
def retrain(model: str) -> str:
    """Fine-tune the champion on the data that arrived, and promote the challenger if the gate says so.

    Returns:
        How the run ended: "promoted", "rejected", "waiting" or "no new data".
    """
    with recorded_run(model) as run:
        take_arrivals(run)
        pending = find_pending(run)
        if pending.settled:
            return end_run(run, Ending("no new data", "skip", pending.settled), pending.work_key)

        comparison = begin_drift_check(run, pending)
        score_version(run, pending.champion, pending.partitions)
        drift = check_drift(run, pending, comparison)
        ending = decide_retrain(run, pending, drift)

        if ending.decision == "retrain":
            challenger = finetune_challenger(run, pending)
            ending = evaluate_and_promote(run, challenger)

        report(run, ending)
        return end_run(run, ending, pending.work_key)
