"""What the gate's verdicts come to where the truth is known: `python -m benchmarks.gate_simulated`.

Every challenger is made up, so that how much better or worse it truly is does not have to be guessed. Seeds are fixed.
What is assumed is printed first; a few minutes on one core.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.claims import Claims
from db.verdict_records import BlockLossRecord
from evaluation.gate import NEWEST, PROVING, Paired, Verdict, judge
from evaluation.paired import parts
from evaluation.rules import blocks
from evaluation.sequential import Look
from evaluation.watch import shown_worse
from learning.objectives import Binary, Objective, Regression
from learning.spec import Gate

Floats = NDArray[np.floating[Any]]

BEGIN = datetime(2013, 1, 1, tzinfo=UTC)
LOSS = 0.49  # of a head on flights
OF_DAYS = 0.025  # standard deviation, between days, of the relative difference of two heads' losses
OF_ROWS = 0.15  # the same, between rows of a day
A_DAY = 900  # rows
SIZES = (30, 100, 300, 1_000, 3_000, 10_000, 30_000)


@dataclass(frozen=True)
class Given:
    """An objective whose predictions are the losses themselves."""

    loss_name: str = "loss"
    class_count: ClassVar[None] = None

    def row_loss(self, target: Floats, prediction: Floats) -> Floats:
        """The prediction."""
        return prediction.reshape(len(target))

    def metrics(self, target: Floats, prediction: Floats) -> dict[str, float]:
        """The mean loss."""
        return {"loss": float(self.row_loss(target, prediction).mean())}

    def constant(self, target: Floats) -> Floats:  # noqa: ARG002 - as objectives have it
        """A head that knows nothing loses a tenth more."""
        return np.array([LOSS * 1.1])


def days(first: int, count: int, rows: int) -> NDArray[np.datetime64]:
    """So many days of so many rows each."""
    start = np.datetime64("2013-01-01", "us") + np.timedelta64(first, "D")
    return np.repeat(start + np.arange(count) * np.timedelta64(1, "D"), rows)


def window(
    change: float, of_days: float, of_rows: float, block: NDArray[np.datetime64], draw: np.random.Generator
) -> Paired:
    """A proving window: a champion's losses, and those of a challenger that is truly so much worse."""
    _, place = np.unique(block, return_inverse=True)
    champion = LOSS * draw.gamma(1.0, 1.0, len(block))
    noise = draw.normal(0, of_days, place.max() + 1)[place] + draw.normal(0, of_rows, len(block))
    challenger = champion + LOSS * (change + noise)
    everywhere = np.full(len(block), PROVING)
    return Paired(np.zeros(len(block)), champion[:, None], challenger[:, None], everywhere, {}, block=block)


def ever_proven(icc: float, draw: np.random.Generator, gates: int = 100) -> bool:
    """Whether a line of challengers that are no better is ever promoted, at 100 gates of two fresh days each."""
    gate = Gate(rule="proven", min_gain=0.0)
    looks: list[Look] = []
    for week in range(gates):
        paired = window(0.0, OF_ROWS * np.sqrt(icc), OF_ROWS * np.sqrt(1 - icc), days(7 * week, 2, 100), draw)
        if judge(paired, Given(), gate, looks=looks).passed:
            return True
        looks += blocks(parts(paired, Given(), frozenset(), {})[0])
    return False


def proven_is_rare(claims: Claims, lines: int = 100) -> None:
    """Rule "proven": how many lines of no-better challengers get through."""
    goal = 1 - Gate().confidence
    for icc in (0.0, 0.01, 0.1):
        draw = np.random.default_rng(1)
        share = np.mean([ever_proven(icc, draw) for _ in range(lines)])
        claims.at_most(f"proven: no-better lines promoted in 100 gates, ICC {icc}", float(share), goal, "of lines")


def passes(change: float, draw: np.random.Generator) -> Verdict:
    """The verdict by the default rule on a week's two proving days, of a challenger truly so much worse."""
    return judge(window(change, OF_DAYS, OF_ROWS, days(0, 2, A_DAY), draw), Given(), Gate())


def better_helps(claims: Claims, weeks: int = 2_000) -> None:
    """Rule "better": what promotions come to, where challengers are as often worse as better."""
    for spread in (0.01, 0.03):
        draw = np.random.default_rng(2)
        changes = draw.normal(0, spread, weeks)
        promoted = changes[[passes(change, draw).passed for change in changes]]
        name = f"better: mean true change per promotion, changes drawn with sd {spread:.0%}"
        claims.at_most(name, 100 * float(promoted.mean()), 0.0, "%")
        claims.show(
            f"better: promotions that were truly worse, sd {spread:.0%}", 100 * float((promoted > 0).mean()), "%"
        )


def blocks_until_back(change: float, draw: np.random.Generator, most: int) -> float:
    """Days until the watch shows a promoted version to be worse; infinite if it does not while it watches."""
    champion: list[BlockLossRecord] = []
    predecessor: list[BlockLossRecord] = []
    for day in range(most):
        paired = window(change, OF_DAYS, OF_ROWS, days(day, 1, A_DAY), draw)
        losses = paired.champion_prediction.mean(), paired.challenger_prediction.mean()
        for number, records in ((1, predecessor), (2, champion)):
            facts = {"partition": f"{day:064}", "block": BEGIN + timedelta(days=day), "rows": A_DAY}
            records.append(BlockLossRecord(**facts, loss=float(losses[number - 1]), number=number, proving=False))
        if shown_worse(champion, predecessor, Gate()):
            return day + 1
    return np.inf


def worse_is_stopped(claims: Claims, trials: int = 1_000) -> None:
    """Rule "better": how often a worse challenger passes, and how soon the watch takes it back."""
    watch = Gate().watch
    for change in (-0.02, 0.0, 0.01, 0.02, 0.05, 0.1):
        draw = np.random.default_rng(3)
        share = float(np.mean([passes(change, draw).passed for _ in range(trials)]))
        back = np.array([blocks_until_back(change, draw, watch) for _ in range(trials // 4)])
        name = f"truly {change:+.0%}"
        if change == 0.05:
            claims.at_most(f"{name}: passes", 100 * share, 20, "%")
            claims.at_least(f"{name}: promoted, taken back within 4 blocks", 100 * float(np.mean(back <= 4)), 50, "%")
        else:
            claims.show(f"{name}: passes", 100 * share, "%")
            claims.show(f"{name}: promoted, taken back within 4 blocks", 100 * float(np.mean(back <= 4)), "%")
        claims.show(f"{name}: promoted, taken back within {watch} blocks", 100 * float(np.isfinite(back).mean()), "%")


@dataclass(frozen=True)
class World:
    """A kind of model: its objective, and what rows look like to a version that misreads them by some noise.

    Args:
        objective: gives the loss.
        level: mean logit of a positive; where it is None, a number with heavy tails (Student's t, 3 degrees).
        noise: by how much a champion misreads a row, in logits or in the target's unit; a third of it all day long.
    """

    objective: Objective
    level: float | None
    noise: float

    def rows(
        self, count: int, noises: tuple[float, ...], draw: np.random.Generator
    ) -> tuple[Floats, list[Floats], Any]:
        """Targets of thirty days, one prediction of all rows for each noise, and the days."""
        block = np.datetime64("2013-01-01", "us") + np.arange(count) * 30 // count * np.timedelta64(1, "D")
        _, place = np.unique(block, return_inverse=True)
        truth = draw.normal(0, 1, count) + (self.level or 0.0)
        misread = [
            truth + noise * (draw.normal(0, 1, count) + draw.normal(0, 1 / 3, place.max() + 1)[place])
            for noise in noises
        ]
        if self.level is None:
            return truth + draw.standard_t(3, count), [m[:, None] for m in misread], block
        target = (draw.random(count) < chance(truth)).astype(float)
        return target, [chance(m)[:, None] for m in misread], block


def chance(logit: Floats) -> Floats:
    """The probability."""
    return 1 / (1 + np.exp(-logit))


WORLDS = {
    "log loss": World(Binary(), 0.0, 0.5),
    "squared error, heavy tails": World(Regression(), None, 0.5),
    "1 % positives": World(Binary(), -5.1, 0.5),
    "0.1 % positives": World(Binary(), -7.4, 0.5),
}


def noise_for(world: World, worse: float) -> float:
    """The noise by which a version's true loss is so much higher than the champion's, found by halving."""
    low, high = world.noise, 8.0
    for _ in range(12):
        middle = (low + high) / 2
        target, (before, after), _ = world.rows(300_000, (world.noise, middle), np.random.default_rng(5))
        rise = world.objective.row_loss(target, after).mean() / world.objective.row_loss(target, before).mean() - 1
        low, high = (middle, high) if rise < worse else (low, middle)
    return float((low + high) / 2)


def era(world: World, count: int, noise: float, draw: np.random.Generator) -> tuple[bool, bool]:
    """Whether an era of so many rows is called forgotten, by the gate and by the rule that it had before."""
    target, (before, after), block = world.rows(count, (world.noise, noise), draw)
    paired = Paired(target, before, after, np.full(count, "2013"), {}, block=block)
    word = judge(paired, world.objective, Gate()).metrics[0].verdict
    return word == "forgotten", not_ruled_out(world.objective, target, before, after)


def not_ruled_out(objective: Objective, target: Floats, champion: Floats, challenger: Floats) -> bool:
    """The rule that the gate had before: on 200 rows and more, refuse unless the whole interval is below 5 %."""
    from scipy.special import stdtrit

    before, after = (objective.row_loss(target, prediction) for prediction in (champion, challenger))
    difference, rows = after - before, len(target)
    high = difference.mean() + stdtrit(rows - 1, 0.95) * difference.std(ddof=1) / np.sqrt(rows)
    return bool(rows >= 200 and high > 0.05 * before.mean())


def forgetting_is_shown(claims: Claims, trials: int = 120) -> None:
    """Eras: how often an equal challenger is refused as forgetful, and how often one that truly is."""
    for name, world in WORLDS.items():
        noises = {"equal": world.noise, "20 % worse": noise_for(world, 0.2), "60 % worse": noise_for(world, 0.6)}
        for size in SIZES:
            for kind, noise in noises.items():
                draw = np.random.default_rng(6)
                tried = [era(world, size, noise, draw) for _ in range(trials if kind == "equal" else trials // 2)]
                share, before = 100 * np.mean(tried, axis=0)
                claim = f"{name}, era of {size:,} rows: truly {kind}, refused (by the rule before: {before:.0f} %)"
                if kind == "equal":
                    claims.at_most(claim, share, 10, "%")
                else:
                    claims.show(claim, share, "%")


def rare(rows: int, trials: int, draw: np.random.Generator, dataset: str) -> list[Verdict]:
    """Verdicts on a challenger that understates every risk threefold, of one in a thousand on average."""
    found = []
    for _ in range(trials):
        risk = chance(draw.normal(-7.4, 1, rows))
        target = (draw.random(rows) < risk).astype(float)
        block = days(0, 2, rows // 2) if dataset == PROVING else None
        paired = Paired(target, risk[:, None], risk[:, None] / 3, np.full(rows, dataset), {}, block=block)
        found.append(judge(paired, Binary(), Gate()))
    return found


def rare_events_are_counted(claims: Claims, trials: int = 300) -> None:
    """0.1 % positives: what the gate says of 200 rows, and of enough rows."""
    draw = np.random.default_rng(7)
    for dataset in (PROVING, NEWEST):
        found = rare(200, trials, draw, dataset)
        told = np.mean(["cannot tell" not in verdict.reason for verdict in found])
        claims.at_most(f"0.1 % positives, 200 rows, {dataset}: understated threefold, passes", passed(found), 0, "%")
        claims.at_most(f"0.1 % positives, 200 rows, {dataset}: is not 'cannot tell'", 100 * float(told), 0, "%")
    for rows in (20_000, 50_000):
        found = rare(rows, trials // 2, draw, PROVING)
        claims.at_most(f"0.1 % positives, {rows:,} rows: understated threefold, passes", passed(found), 10, "%")


def passed(verdicts: list[Verdict]) -> float:
    """Per cent of them that let the challenger pass."""
    return 100 * float(np.mean([verdict.passed for verdict in verdicts]))


def judged_soon(claims: Claims, rows: int = 100_000, slices: int = 50) -> None:
    """How long a verdict takes on many rows and slices, with days, entities and past eras."""
    draw = np.random.default_rng(8)
    target, (before, after), block = WORLDS["log loss"].rows(rows, (0.5, 0.4), draw)
    names = np.repeat([PROVING, NEWEST, "2010", "2011", "2012"], rows // 5)
    paired = Paired(
        target,
        before,
        after,
        names,
        {column: draw.integers(0, slices // 2, rows).astype(str) for column in ("carrier", "origin")},
        entity=draw.integers(0, 2**63, rows // 3, dtype="uint64")[draw.integers(0, rows // 3, rows)],
        block=block,
        reference_prediction=before,
    )
    begin = time.process_time()  # of one thread, and on a busy machine no longer than on a quiet one
    verdict = judge(paired, Binary(), Gate())
    claims.at_most(f"{rows:,} rows × {slices} slices: judged", time.process_time() - begin, 3, "s of one core")
    assert sum(m.dataset == "all" for m in verdict.metrics) == slices


def main() -> int:
    """Print every claim; 1 if one does not hold."""
    print(f"assumed: {A_DAY} rows a day; two heads' losses differ by {OF_DAYS:.1%} of the loss from day to day (sd),")
    print(f"by {OF_ROWS:.0%} from row to row; days are independent; a week's last two days are the proving window")
    print("claim | measured | goal | holds")
    claims = Claims()
    checks = judged_soon, rare_events_are_counted, worse_is_stopped, better_helps, proven_is_rare, forgetting_is_shown
    for check in checks:
        check(claims)
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
