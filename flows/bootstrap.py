"""Start a model: version 1, base and head, from everything that has arrived so far."""

from prefect import flow

from tasks.infra_check import infra_check
from tasks.pretrain import pretrain_first
from tasks.promote import Trial, evaluate_and_promote
from tasks.register_version import register_version
from tasks.report import report
from tasks.run import end_run, recorded_run
from tasks.take_arrivals import take_arrivals


@flow(name="bootstrap", flow_run_name="bootstrap {model}")
def bootstrap(model: str) -> str:
    """Train version 1 on history, judge it against a constant, and promote it.

    Returns:
        How the run ended: "promoted", "needs attention", or "rejected": version 1 is worse than a constant.
    """
    with recorded_run(model) as run:
        take_arrivals(run)
        with infra_check(run) as check:
            learned = pretrain_first(run)
            first = register_version(run, learned)
            ending = evaluate_and_promote(run, Trial(first, learned, check))
        report(run, ending)
        return end_run(run, ending)
