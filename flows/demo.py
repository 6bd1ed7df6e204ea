"""The demo: one model, started on the year's first weeks and kept fresh through the weeks that follow."""

from pathlib import Path

from prefect import flow
from rich.console import Console

from demo.flights import WEEKS, write_flights
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from monitoring.track_record import FIRST
from tasks.run import Context, open_context
from tasks.score_champion import score_arrivals

MODEL = "flights"
HISTORY = range(1, 9)  # the weeks that version 1 learns from


def landed_weeks(landing: Path) -> int:
    """How many weeks' files have been written so far."""
    return sum((landing / "flights" / f"2013-w{week:02}.csv").exists() for week in WEEKS)


@flow(name="demo", flow_run_name="demo, {weeks} weeks")
def demo(landing: str, weeks: int) -> list[str]:
    """Bootstrap if that was not done before, then let week after week arrive and run the real retrain flow.

    Returns:
        How each week's run ended; empty once the year is over.
    """
    console = Console()
    outcomes = []
    with open_context(MODEL) as context:
        context.registry.add_model(MODEL)
        if context.registry.find_champion(MODEL) is None:
            console.print(f"weeks {HISTORY[0]} to {HISTORY[-1]} have arrived: bootstrap")
            write_flights(Path(landing), HISTORY)
            bootstrap(MODEL)
        done = landed_weeks(Path(landing))
        for week in WEEKS[done : done + weeks]:
            write_flights(Path(landing), [week])
            outcomes.append(retrain(MODEL))
            (run,) = context.registry.runs(MODEL, limit=1)
            console.print(f"week {week} has arrived: {run.outcome}, {run.reason}", soft_wrap=True, highlight=False)
            score_first_version(context)
    return outcomes


def score_first_version(context: Context) -> None:
    """Score version 1 on what arrived since, for comparison; it takes part in no decision."""
    learned = {partition.digest for partition in context.registry.trained_on(MODEL, FIRST)}
    later = [p for p in context.registry.partitions(MODEL) if p.digest not in learned]
    score_arrivals(context, None, FIRST, later)
