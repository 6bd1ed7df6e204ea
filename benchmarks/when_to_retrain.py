"""What it is worth to retrain when monitoring says so: `python -m benchmarks.when_to_retrain [--stream NAME ...]`.

A stream is lived through under each rule, as `evergreen backtest` does it. *Gain* is how much lower the live loss is
than that of version 1, had nobody retrained it, as a share of what a retrain after every arrival gains; *retrains* are
trainings, whatever came of them, as a share of those. The rules are the same for every stream; what a rule calls two
arrivals is counted in rows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from benchmarks.claims import Claims
from benchmarks.living import gone_by, lived_through, mean_loss
from benchmarks.streams import KNOWN, Stream, named
from learning.policies import RetrainReason
from tasks.history import History

WORTH, COST = 0.95, 0.6  # of what a retrain after every arrival gains, and trains
EACH = "each arrival"
JUDGED = "performance, or two arrivals"
STREAMS = ("flights", "ewr-inverted", "all-inverted", "agrawal", "sea")


@dataclass(frozen=True)
class Rule:
    """When to retrain: for which reasons, and how many arrivals are enough for the reason "rows"."""

    when: tuple[RetrainReason, ...]
    arrivals: int = 1

    def policy(self, stream: Stream) -> str:
        """As `evergreen backtest` takes it."""
        usual = sum(stream.rows(number).height for number in stream.history) / len(stream.history)
        return f"retrain.when={','.join(self.when)}+retrain.min_rows={round(usual * (self.arrivals - 0.5))}"


RULES = {
    EACH: Rule(("rows",)),
    "two arrivals": Rule(("rows",), 2),
    "four arrivals": Rule(("rows",), 4),
    "performance": Rule(("performance",)),
    JUDGED: Rule(("rows", "performance"), 2),
    "performance, or four arrivals": Rule(("rows", "performance"), 4),
}


@dataclass(frozen=True)
class Worth:
    """What a rule came to on a stream.

    Args:
        live: mean live loss.
        never: that of version 1.
        retrains: trainings after the first.
    """

    live: float
    never: float
    retrains: int


def main() -> int:
    """Print a line a stream and rule, then the claims; 1 if one does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stream", nargs="*", choices=KNOWN, default=list(STREAMS))
    parser.add_argument("--rule", nargs="*", choices=RULES, default=[EACH, JUDGED])
    options = parser.parse_args()
    print("stream | rule | live | never | retrains | gain | of the retrains | CPU s")
    print(" | ".join(["---"] * 8), flush=True)
    claims = Claims()
    for name in options.stream:
        found: dict[str, Worth] = {}
        with gone_by(named(name)) as history:
            for rule in dict.fromkeys((EACH, *options.rule)):
                found[rule], seconds = lived(named(name), history, RULES[rule])
                gain, cost = beside(found[rule], found[EACH])
                figures = f"{found[rule].live:.4f} | {found[rule].never:.4f} | {found[rule].retrains}"
                print(f"{name} | {rule} | {figures} | {gain:.0%} | {cost:.0%} | {seconds:.0f}", flush=True)
        if JUDGED in found:
            gain, cost = beside(found[JUDGED], found[EACH])
            claims.at_least(f"{name}: gain of '{JUDGED}', of that of {EACH}", 100 * gain, 100 * WORTH, "%")
            claims.at_most(f"{name}: its retrains", 100 * cost, 100 * COST, "%")
    return claims.exit_code


def lived(stream: Stream, history: History, rule: Rule) -> tuple[Worth, float]:
    """Live through a stream under a rule; the processor seconds of its runs beside what came of it."""
    with lived_through(stream, history, rule.policy(stream)) as told:
        arrived = list(told.arrived())
        versions = told.context.registry.versions(stream.spec.name)
        retrains = sum(version.refit_of is None for version in versions) - 1
    live, never = (mean_loss([getattr(one, which) for one in arrived]) for which in ("live", "first"))
    return Worth(live, never, retrains), told.seconds


def beside(one: Worth, each: Worth) -> tuple[float, float]:
    """The gain and the retrains of a rule, as shares of those of a retrain after each arrival."""
    return (one.never - one.live) / (each.never - each.live), one.retrains / each.retrains


if __name__ == "__main__":
    sys.exit(main())
