"""How much of the gain could fewer retrains keep, had one known what comes? `python -m benchmarks.worth_bound`.

The best plan of at most 60 % of the retrains, beside rules that know only what has come, on the streams and with the
small models of `benchmarks.advice`, which have no gate. *Gain* is how much lower the summed loss is than that of
version 1, as a share of what a retrain after every arrival gains; *retrains* are a share of those.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from benchmarks.advice import ALARMS, EVERY, STREAMS, Measured, lived, measured
from benchmarks.streams import KNOWN, named
from benchmarks.when_to_retrain import COST
from evaluation.backtests import Crossed
from evaluation.oracle import crossed_losses, exact_plan

JUDGED = {"performance, or second": 2}


def came_to(found: Measured) -> Iterator[tuple[str, float, float]]:
    """Each rule, the best plan first: its gain and its retrains, as shares of those of a retrain each arrival."""
    crossed = [
        Crossed(step, arrival + 1, int(found.rows[arrival].sum()), float(np.average(loss, weights=found.rows[arrival])))
        for (step, arrival), loss in found.loss.items()
    ]
    losses = crossed_losses(crossed)
    never, each, most = losses[0].sum(), losses.diagonal().sum(), len(losses) - 1
    # The lowest price at which few enough are made gives the best plan of so many.
    plans = (exact_plan(losses, price) for price in np.geomspace(1e-6, 1, 61) * (never - each))
    plan = next(plan for plan in plans if len(plan.retrains) <= COST * most)
    yield "the best plan", (never - plan.loss) / (never - each), len(plan.retrains) / most
    rules = {name: (every, False) for name, every in EVERY.items() if every > 1}
    rules |= {name: (every, True) for name, every in (ALARMS | JUDGED).items()}
    for name, (every, alarmed) in rules.items():
        result = lived(name, every, found, alarmed=alarmed)
        live = sum(one.rows * one.loss for one in result.scores)
        retrains = sum(step.version is not None for step in result.steps)
        yield name, (never - live) / (never - each), retrains / most


def main() -> None:
    """Print a line a stream and rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stream", nargs="*", choices=KNOWN, default=list(STREAMS))
    print("stream | rule | gain | retrains\n--- | --- | --- | ---", flush=True)
    for stream in parser.parse_args().stream:
        for rule, gain, retrains in came_to(measured(named(stream))):
            print(f"{stream} | {rule} | {gain:.1%} | {retrains:.0%}", flush=True)


if __name__ == "__main__":
    main()
