"""Start a model: version 1, base and head, from everything that has arrived so far; or start it again."""

from prefect import flow

from tasks.check_model import check_model
from tasks.find_pending import find_again
from tasks.infra_check import infra_check
from tasks.pretrain import pretrain_first
from tasks.promote import Trial, evaluate_and_promote
from tasks.register_version import register_version
from tasks.report import report
from tasks.run import end_run, recorded_run
from tasks.score_champion import score_champion
from tasks.take_arrivals import take_arrivals


@flow(name="bootstrap", flow_run_name="{model} · bootstrap")
def bootstrap(model: str, again: bool = False) -> str:
    """Train version 1 on history, judge it against a constant, and promote it.

    Args:
        model: its name.
        again: where it has a champion, train base and head anew on everything there is; the gate then compares this
            challenger with the champion, as any other.

    Returns:
        How the run ended: "promoted", "needs attention", "rejected": version 1 is worse than a constant, or a later one
        is not shown to be better than the champion; "awaiting approval": it is, and a person has to say yes; or "no new
        data": nothing changed since it was last asked for.
    """
    with recorded_run(model) as run:
        if ending := check_model(run, "again"):
            return end_run(run, ending)

        take_arrivals(run)
        pending = find_again(run) if again else None
        if pending and pending.settled:
            return end_run(run, pending.nothing_to_do, pending.work_key)

        with infra_check(run) as check:
            if pending:
                score_champion(run, pending)
            learned = pretrain_first(run, pending)
            first = register_version(run, learned)
            ending = evaluate_and_promote(run, Trial(first, learned, check, pending))
        report(run, ending)
        return end_run(run, ending, pending.work_key if pending else None)
