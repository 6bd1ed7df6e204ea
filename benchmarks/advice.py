"""Is what a backtest advises near the best there was? `python -m benchmarks.advice [FILE ...] [--stream NAME ...]`.

Each stream's versions are measured on every later arrival, and policies are replayed over them. For prices of a retrain
over two decades, the advised policy's total (summed loss + price x retrains) is held against that of the exact plan,
which knows what came. Prices are those that `evergreen backtest` shows where nobody names one; neither they nor the
rule of the advice, nor the policies, were chosen on these streams.

The models are small: logistic regressions of standardised numbers and one-hot categories, each learned anew from the
newest eight arrivals, without a gate, so that a version is the same whatever was trained before it. What the engine of
`evergreen backtest` measured with Keras models is read from the JSON files that are named.

Where RetrainOpt can be imported (`pip install retrainopt==0.4.2` into an environment of its own, put on PYTHONPATH),
its plans and costs are compared with ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.claims import Claims
from benchmarks.streams import KNOWN, Stream, named
from evaluation.advice import advise
from evaluation.backtests import Backtest, BlockScore, Crossed, PolicyResult, Step, from_json
from evaluation.intervals import mean_interval
from evaluation.oracle import Plan, crossed_losses, exact_plan
from evaluation.policy_comparison import Comparison, compared, part
from evaluation.policy_figures import Figures, prices
from evaluation.policy_losses import CONFIDENCE, PolicyLosses, policy_losses

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.floating[Any]]

STREAMS = ("flights", "ewr-inverted", "all-inverted", "agrawal", "employment")
LEARNED = 8  # newest arrivals that a version learns from
NEAR = 10.0  # percent
EACH = "each arrival"
EVERY = {EACH: 1, "second": 2, "fourth": 4, "eighth": 8, "never": 0}
ALARMS = {"performance": 0, "performance, or fourth": 4}


@dataclass(frozen=True)
class Measured:
    """Every version on every later arrival.

    Args:
        days: of each arrival, the start of each of its days.
        rows: of each arrival, the rows of each day.
        loss: version and arrival to the mean loss of each day; version k is trained at step k, on what came before.
        constant: of each arrival, the loss of each day of predicting the share of the first eight.
    """

    days: list[list[datetime]]
    rows: list[Floats]
    loss: dict[tuple[int, int], Floats]
    constant: list[Floats]


def measured(stream: Stream) -> Measured:
    """Train a version after each arrival, and score it on all that come later."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    schema = stream.spec.schema
    numbers, words = list(schema.numeric), list(schema.categorical)
    weeks = [stream.rows(number) for number in range(1, stream.last + 1)]
    first = len(stream.history)
    inputs = [week.select(numbers + words).to_pandas().fillna(dict.fromkeys(numbers, 0.0)) for week in weeks]
    labels = [week[schema.target].to_numpy().astype(float) for week in weeks]
    later = [by_day(week, str(schema.time)) for week in weeks[first:]]
    found = Measured([days for days, _ in later], [np.bincount(place) for _, place in later], {}, [])
    usual = float(np.concatenate(labels[:first]).mean())
    for target, (_, place) in zip(labels[first:], later, strict=True):
        found.constant.append(daily(np.full(len(target), usual), target, place))
    import pandas as pd

    for step in range(len(later)):
        learned = slice(step + first - LEARNED, step + first)
        columns = [(StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), words)]
        model = make_pipeline(make_column_transformer(*columns), LogisticRegression(max_iter=200))
        model.fit(pd.concat(inputs[learned]), np.concatenate(labels[learned]))
        for arrival in range(step, len(later)):
            chance = model.predict_proba(inputs[first + arrival])[:, 1]
            found.loss[step, arrival] = daily(chance, labels[first + arrival], later[arrival][1])
    return found


def by_day(week: pl.DataFrame, time_column: str) -> tuple[list[datetime], NDArray[np.int64]]:
    """The days of an arrival, and the place of each row's among them."""
    day = week[time_column].dt.truncate("1d").dt.replace_time_zone(None).to_numpy()
    days, place = np.unique(day, return_inverse=True)
    return [one.astype("datetime64[s]").item().replace(tzinfo=UTC) for one in days], place


def daily(chance: Floats, target: Floats, place: NDArray[np.int64]) -> Floats:
    """The mean log loss of each day."""
    kept = np.clip(chance, 1e-7, 1 - 1e-7)
    loss = -np.where(target == 1, np.log(kept), np.log(1 - kept))
    return np.asarray(np.bincount(place, weights=loss) / np.bincount(place))


def replayed(name: str, found: Measured) -> Backtest:
    """The policies' histories, as the engine would record them."""
    policies = tuple(lived(policy, EVERY.get(policy, 0), found) for policy in EVERY)
    policies += tuple(lived(policy, every, found, alarmed=True) for policy, every in ALARMS.items())
    arrivals = range(len(found.days))
    constant = tuple(one for arrival in arrivals for one in scored(found, arrival, found.constant[arrival], 0))
    crossed = tuple(
        Crossed(step, arrival + 1, int(found.rows[arrival].sum()), float(np.average(loss, weights=found.rows[arrival])))
        for (step, arrival), loss in found.loss.items()
    )
    return Backtest(name, EACH, policies, {"constant": constant}, crossed)


def scored(found: Measured, arrival: int, loss: Floats, version: int) -> Iterator[BlockScore]:
    """The scores of an arrival."""
    for day, rows, one in zip(found.days[arrival], found.rows[arrival], loss, strict=True):
        yield BlockScore(day, int(rows), float(one), version)


def lived(policy: str, every: int, found: Measured, *, alarmed: bool = False) -> PolicyResult:
    """One policy: a retrain every so many arrivals, and, where alarms count, when its own live losses give one."""
    scores, steps, serving, since = list[BlockScore](), list[Step](), 0, 0
    losses, arrivals = [], len(found.days)
    for arrival in range(arrivals):
        new = list(scored(found, arrival, found.loss[serving, arrival], serving + 1))
        scores += new
        losses += [(one, arrival) for one in new]
        since += 1
        retrain = bool(every) and since >= every
        retrain |= alarmed and alarm(losses, serving + 1)
        step, at = arrival + 1, found.days[arrival][-1] + timedelta(days=1)
        labels = int(found.rows[arrival].sum())
        if retrain and step < arrivals:  # the version of the last step would serve nobody
            serving, since = step, 0
            steps.append(Step(at, "promoted", "", step + 1, 1.0, LEARNED * labels, labels))
        else:
            steps.append(Step(at, "waiting", "", None, 0.0, 0, labels))
    return PolicyResult(policy, {}, tuple(scores), tuple(steps))


def alarm(scores: Sequence[tuple[BlockScore, int]], champion: int) -> bool:
    """Whether the chart over a policy's own live losses gives a warning, or says that it broke."""
    from monitoring.chart import LiveLoss
    from monitoring.performance import judge

    track = [LiveLoss(one.block, f"arrival {at:03}", one.rows, one.loss, one.version) for one, at in scores]
    return judge(track, champion).state in {"warning", "broken"}


def judged(claims: Claims, backtest: Backtest) -> None:
    """Print what is advised at each price beside the exact plan, and the claims about it."""
    beside = compared(backtest)
    losses, middle = crossed_losses(backtest.crossed), beside.losses.blocks[len(beside.losses.blocks) // 2]
    early, late = (compared(part(backtest, middle, after=after)) for after in (False, True))
    far, now, later = list[float](), list[float](), list[float]()
    right, right_later = list[bool](), list[bool]()
    for price in prices(backtest, beside.losses, None):
        plan, advised = exact_plan(losses, price), beside.of(advise(backtest, price).policy)
        before = late.of(early.chosen(price).policy)
        far.append(100 * (advised.total(price) / plan.total - 1))
        now.append(100 * (beside.of(backtest.present).total(price) / plan.total - 1))
        later.append(100 * (before.total(price) / lowest(late, price).total(price) - 1))
        right += rightly_seldom(beside, advised, price)
        right_later += rightly_seldom(late, before, price)
        print(
            f"# {backtest.model}: price {price:.4g}: {advised.policy}, {advised.retrains} retrains, {far[-1]:+.1f} %; "
            f"exact plan {len(plan.retrains)}; first half advises {before.policy}, in the second {later[-1]:+.1f} %"
        )
    claims.at_most(f"{backtest.model}: advised total above the exact plan's, worst price", max(far), NEAR, "%")
    claims.show(f"{backtest.model}: the same, on average", float(np.mean(far)), "%")
    claims.show(f"{backtest.model}: the present policy above the exact plan's, worst price", max(now), "%")
    if right:
        claims.at_least(f"{backtest.model}: says less often where that is true", 100 * float(np.mean(right)), 100, "%")
    claims.show(f"{backtest.model}: advised by the first half, above the best of the second, worst", max(later), "%")
    if right_later:
        share = 100 * float(np.mean(right_later))
        claims.show(f"{backtest.model}: less often by the first half, where the second has it true", share, "%")
    print(f"# {backtest.model}: no price: {advise(backtest).sentence}", flush=True)


def lowest(beside: Comparison, price: float) -> Figures:
    """The policy that was best, as one knows afterwards."""
    return min(beside.found, key=lambda one: one.total(price))


def rightly_seldom(beside: Comparison, advised: Figures, price: float) -> list[bool]:
    """Whether fewer retrains than the present ones are advised, where they are cheaper; empty where they are not."""
    present = beside.of(beside.present).retrains
    return [advised.retrains < present] if lowest(beside, price).retrains < present else []


def beside_retrainopt(claims: Claims, losses: Floats, at: Sequence[float], name: str) -> None:
    """Print in how many cases RetrainOpt's dynamic programme gives our plan and cost, and the time of both."""
    from retrainopt.core.dp import solve_exact_schedule

    same, seconds = 0, np.zeros(2)
    for price in at:
        started = time.process_time()
        ours = exact_plan(losses, price)
        seconds[0] += time.process_time() - started
        steps = losses.shape[1]
        whole = [step for step in range(steps) if np.isfinite(losses[step, step:]).all()]  # it takes no others
        ids = {step: (step, 1) if step else (-1, 0) for step in whole}
        started = time.process_time()
        costs = {
            ids[step]: {
                "training_cost": price if step else 0.0,
                "future_losses": {later: float(losses[step, later]) for later in range(step, steps)},
            }
            for step in whole
        }
        total, decisions, _, _ = solve_exact_schedule(steps, costs)
        seconds[1] += time.process_time() - started
        theirs = tuple(step for step, one in enumerate(decisions) if one.action.value == "retrain")
        same += agree(ours, theirs, total)
    claims.at_least(f"{name}: plan and cost are RetrainOpt's", 100 * same / len(at), 100, "%")
    claims.show(f"{name}: CPU time of a plan, ours", 1000 * seconds[0] / len(at), "ms")
    claims.show(f"{name}: CPU time of a plan, RetrainOpt's", 1000 * seconds[1] / len(at), "ms")


def agree(ours: Plan, theirs: tuple[int, ...], total: float) -> bool:
    """Whether both have the same retrains and the same cost."""
    return ours.retrains == theirs and bool(np.isclose(ours.total, total, rtol=1e-9))


def intervals_hold(claims: Claims, alike: float, trials: int = 600, blocks: int = 308) -> None:
    """Print how often 90 % intervals of a difference hold, where days are like the ones before them."""
    draw, held = np.random.default_rng(0), np.zeros(2)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    days = tuple(start + timedelta(days=day) for day in range(blocks))
    for _ in range(trials):
        luck = draw.normal(size=blocks + 100)
        for day in range(1, len(luck)):
            luck[day] += alike * luck[day - 1]
        losses = PolicyLosses(days, np.ones(blocks), {"one": luck[100:], "other": np.zeros(blocks)})
        apart = mean_interval(luck[100:], [np.arange(blocks)], CONFIDENCE), losses.difference("one", "other")
        held += [found is not None and found.low <= 0 <= found.high for found in apart]
    by_day, by_stretch = 100 * held / trials
    claims.show(f"days correlate by {alike}: 90 % intervals hold, days as observations", by_day, "%")
    claims.at_least(f"days correlate by {alike}: ten stretches", by_stretch, 80, "%")


def random_losses(seed: int, steps: int = 44) -> Floats:
    """Losses of made versions, which age at random."""
    draw = np.random.default_rng(seed)
    losses = draw.gamma(2.0, 1.0, (steps, steps)) + draw.uniform(0, 0.3) * np.arange(steps)
    losses[np.tril_indices(steps, -1)] = np.inf
    return losses


def main() -> int:
    """Print every claim; 1 if one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backtests", nargs="*", type=Path, help="files that `evergreen backtest` wrote")
    parser.add_argument("--stream", nargs="*", choices=KNOWN, default=list(STREAMS))
    options = parser.parse_args()
    for name in options.stream:
        named(name).rows(1)  # what is not there is said now, and not after an hour
    claims = Claims()
    found = [from_json(path.read_text(encoding="utf-8")) for path in options.backtests]
    for name in options.stream:
        found.append(replayed(name, measured(named(name))))
        print(f"# {name}: measured", flush=True)
    for backtest in found:
        judged(claims, backtest)
    for alike in (0.0, 0.5, 0.8, 0.9):
        intervals_hold(claims, alike)
    if importlib.util.find_spec("retrainopt"):
        for backtest in found:
            at = prices(backtest, policy_losses(backtest), None)
            beside_retrainopt(claims, crossed_losses(backtest.crossed), at, backtest.model)
        for seed in range(5):
            beside_retrainopt(claims, random_losses(seed), np.geomspace(0.3, 30, 9), f"made losses {seed}")
    else:
        print("# RetrainOpt is not here: its plans are not compared")
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
