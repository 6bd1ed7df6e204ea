"""The demo: one model, started on its first arrivals and kept fresh through those that follow."""

from pathlib import Path

from rich.console import Console

from demo.demos import DEMOS
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from monitoring.track_record import FIRST
from tasks.run import Context, open_context
from tasks.score_champion import score_arrivals


def demo(model: str, arrivals: int) -> list[str]:
    """Bootstrap if that was not done before, then let one file after the other arrive and run the real retrain flow.

    The flows are called as plain functions: the demo asks for no server, and touches no one's.

    Returns:
        How each run ended; empty once everything has arrived.
    """
    shown, console, outcomes = DEMOS[model], Console(), []
    with open_context(model) as context:
        landing = Path(context.settings.landing)
        context.registry.add_model(model)
        if context.registry.find_champion(model) is None:
            console.print(f"{shown.unit}s {shown.history[0]} to {shown.history[-1]} have arrived: bootstrap")
            shown.write(landing, shown.history)
            bootstrap.fn(model)

        done = shown.landed(landing)
        for number in shown.numbers[done : done + arrivals]:
            shown.write(landing, [number])
            retrain.fn(model)
            (run,) = context.registry.runs(model, limit=1)
            outcomes.append(str(run.outcome))
            ending = f"{run.outcome}, {run.reason}"
            console.print(f"{shown.unit} {number} has arrived: {ending}", soft_wrap=True, highlight=False)
            score_first_version(context)
    return outcomes


def score_first_version(context: Context) -> None:
    """Score version 1 on what arrived since, for comparison; it takes part in no decision."""
    registry, model = context.registry, context.spec.name
    learned = {partition.digest for partition in registry.trained_on(model, FIRST)}
    later = [p for p in registry.partitions(model) if p.digest not in learned]
    score_arrivals(context, None, FIRST, later)
