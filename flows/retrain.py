"""Keep a champion fresh: what arrived since it last learned, checked, learned, judged, recorded."""

from prefect import flow

from monitoring.decision import Asked
from tasks.check_drift import begin_drift_check, check_drift
from tasks.check_model import check_model
from tasks.check_performance import check_performance
from tasks.decide_retrain import decide_retrain
from tasks.emit_events import emit_events, emit_stuck
from tasks.estimate_performance import estimate_performance
from tasks.find_pending import find_pending
from tasks.finetune import finetune_challenger
from tasks.infra_check import infra_check
from tasks.judged_rows import judge_by_the_new_world
from tasks.promote import Trial, evaluate_and_promote
from tasks.register_version import register_version
from tasks.report import report
from tasks.run import end_run, recorded_run
from tasks.score_champion import score_champion
from tasks.take_arrivals import take_arrivals
from tasks.watch_champion import roll_back_if_worse


@flow(name="retrain", flow_run_name="{model} · retrain")
def retrain(model: str, from_scratch: bool = False, force: bool = False, dry_run: bool = False) -> str:
    """Fine-tune the champion on the data that arrived, and promote the challenger if the gate says so.

    Args:
        model: its name.
        from_scratch: build base and head anew, from all rows there are, also where none of them is new.
        force: train though the retrain policy says wait; the gate judges as ever.
        dry_run: do all of it on a copy of the registry, and say what would have happened: nothing is promoted, and no
            version is registered.

    Returns:
        How the run ended: "promoted", "rejected", "overtaken", "awaiting approval", "stuck", "waiting", "no new data",
        "needs attention" or "dry run".
    """
    asked: Asked = "from scratch" if from_scratch else ""
    with recorded_run(model, dry=dry_run) as run:
        if ending := check_model(run, asked):
            return end_run(run, ending)

        take_arrivals(run)
        pending = find_pending(run, asked, forced=force)
        if pending.settled:
            return end_run(run, pending.nothing_to_do, pending.work_key)

        comparison = begin_drift_check(run, pending)
        score_champion(run, pending)
        if roll_back_if_worse(run):  # what it learned is pending again
            pending = find_pending(run, asked, forced=force)
            comparison = begin_drift_check(run, pending)
        estimate_performance(run, pending)
        performance = check_performance(run, pending)
        drift = check_drift(run, pending, comparison)
        ending = decide_retrain(run, pending, drift, performance)
        emit_events(run, ending)

        if ending.decision == "retrain":
            pending = judge_by_the_new_world(run, pending)
            with infra_check(run) as check:
                learned = finetune_challenger(run, pending)
                challenger = register_version(run, learned)
                ending = evaluate_and_promote(run, Trial(challenger, learned, check, pending))

        emit_stuck(run, ending)
        report(run, ending)
        return end_run(run, ending, pending.work_key)
