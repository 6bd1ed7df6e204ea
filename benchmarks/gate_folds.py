"""Do folds let more through than a window of as many events? `python -m benchmarks.gate_folds`, seeds fixed.

A week of 22,000 rows with 0.1 % of fraud. Challengers are logistic regressions on twelve inputs: of some twenty frauds
they learn much by heart. A champion reads the true risk with an error; where that is small most challengers are worse,
and where it is large they are better. The same champion is asked twice: by folds of the week, each judged by a
challenger that learned from the other rows; and by another week, of a challenger that learned as many rows of this one.
By the rows that it learned itself, which no gate asks, a challenger would pass nearly always.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.claims import Claims
from evaluation.gate import PROVING, Paired, judge
from learning.data import PartitionFile, Selection
from learning.folds import fold_starts
from learning.objectives import Binary
from learning.spec import Gate

Floats, Days = NDArray[np.floating[Any]], NDArray[np.datetime64]
ROWS, DAYS, INPUTS, LEVEL = 22_000, 7, 12, -8.6
GATE = Gate(metric="pr_auc")
BLOCK = np.datetime64("2013-01-01", "us") + np.arange(ROWS) * DAYS // ROWS * np.timedelta64(1, "D")
WORLDS = {"better": 0.3, "worse": 6.0}  # errors of a champion, in logits


def week(draw: np.random.Generator, error: float) -> tuple[Floats, Floats, Floats]:
    """Inputs, targets, and a champion's chances."""
    inputs = draw.normal(0, 1, (ROWS, INPUTS))
    logit = LEVEL + inputs @ np.linspace(0.2, 1.0, INPUTS)
    target = (draw.random(ROWS) < chance(logit)).astype(float)
    return inputs, target, chance(logit + draw.normal(0, error, ROWS))


def chance(logit: Floats) -> Floats:
    """The probability."""
    return np.asarray(1 / (1 + np.exp(-logit)))


def learned(inputs: Floats, target: Floats) -> Any:
    """A challenger."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=100.0, solver="newton-cholesky").fit(inputs, target)


def passes(target: Floats, champion: Floats, challenger: Floats, block: Days = BLOCK) -> bool | None:
    """Whether the gate lets the challenger pass; None where it cannot tell."""
    rows = np.full(len(target), PROVING)
    verdict = judge(Paired(target, champion[:, None], challenger[:, None], rows, {}, block=block), Binary(), GATE)
    return None if verdict.reason.startswith("cannot tell") else verdict.passed


def tried(draw: np.random.Generator, error: float) -> tuple[bool | None, bool | None, bool | None]:
    """Whether a challenger passes by folds, by a week that is new to it, and by what it learned."""
    inputs, target, champion = week(draw, error)
    starts = fold_starts([Selection(PartitionFile("week", __file__), np.arange(ROWS), target, BLOCK)], GATE.prove_on)  # type: ignore[arg-type] - nobody opens it
    fold = np.searchsorted([np.datetime64(start.replace(tzinfo=None)) for start in starts], BLOCK, side="right")
    apart = np.empty(ROWS)
    for number in np.unique(fold):
        challenger = learned(inputs[fold != number], target[fold != number])
        apart[fold == number] = challenger.predict_proba(inputs[fold == number])[:, 1]
    known = fold != number  # here and below, of the last fold
    newer, came, said = week(draw, error)
    return (
        passes(target, champion, apart),
        passes(came, said, challenger.predict_proba(newer)[:, 1]),
        passes(target[known], champion[known], challenger.predict_proba(inputs[known])[:, 1], BLOCK[known]),
    )


def main() -> int:
    """Print the claims; 1 if one does not hold."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--trials", type=int, default=100)
    trials, claims = arguments.parse_args().trials, Claims()
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    for name, error in WORLDS.items():
        draw = np.random.default_rng(17)
        found = np.array([tried(draw, error) for _ in range(trials)], float)  # NaN: it cannot tell
        folds, window, learned_rows = 100 * np.nanmean(found, axis=0)
        noise = 2 * np.sqrt(window * (100 - window) / trials + 1)
        claim = f"champion {name} than most challengers: passes by folds, by a new week {window:.0f} %"
        if name == "better":
            claims.at_most(claim, folds, window + noise, "%")
        else:
            claims.at_least(claim, folds, window - noise, "%")
        claims.show(f"champion {name} than most challengers: would pass by the rows that it learned", learned_rows, "%")
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
