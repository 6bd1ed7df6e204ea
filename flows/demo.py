"""The demo: one model, started on the year's first weeks and kept fresh through the weeks that follow."""

from pathlib import Path

from prefect import flow
from rich.console import Console

from flows.bootstrap import bootstrap
from flows.retrain import retrain
from tasks.flights_data import WEEKS, write_flights
from tasks.recording import has_champion, newest_run
from tasks.track_record import score_first_version

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
    if not has_champion(MODEL):
        console.print(f"weeks {HISTORY[0]} to {HISTORY[-1]} have arrived: bootstrap")
        write_flights(Path(landing), HISTORY)
        bootstrap(MODEL)
    outcomes = []
    done = landed_weeks(Path(landing))
    for week in WEEKS[done : done + weeks]:
        write_flights(Path(landing), [week])
        outcomes.append(retrain(MODEL))
        console.print(f"week {week} has arrived: {newest_run(MODEL)}", soft_wrap=True, highlight=False)
        score_first_version(MODEL)
    return outcomes
