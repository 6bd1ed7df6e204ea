"""How often a quiet year alarms, how soon a break is seen, and how good an estimate without labels is.

`python -m benchmarks.performance`, about two minutes on one core. All losses are made up, with fixed seeds: 52 weekly
arrivals, around a level of 0.5, which vary from block to block as each line says. Beside Evergreen's chart stand the
three-sigma chart over weekly means that it took the place of, and River's detectors with their
own defaults, over losses in deviations of the first six weeks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN, PageHinkley

from benchmarks.claims import Claims
from learning.objectives import Binary
from monitoring.chart import Chart, LiveLoss, breaks
from monitoring.estimation import Estimator, Known

Floats = NDArray[np.floating[Any]]
Seen = Callable[[Floats], float]  # the week that a detector alarms in, of weeks by blocks; infinite if in none

WEEKS, TURNED, YEARS = 52, 26, 60
START, DAY = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)
ROWS = 100  # of a block, where rows are looked at; their losses vary as those of an exponential
KINDS = {
    "normal, by 10 %": "normal",
    "neighbours correlated by 0.5": "alike",
    "Student's t of 5 degrees, by 10 %": "student",
    "lognormal, by 30 %": "lognormal",
    "lognormal by 20 %, storms of three days": "storms",
}
OF_DAYS = 0.12  # goal: share of quiet years, where weeks have days; where they have none, that of three sigma


def main() -> int:
    """Print every claim; 1 if one does not hold."""
    claims = Claims()
    quiet_years(claims)
    broken_years(claims)
    estimates(claims)
    return claims.exit_code


def losses(kind: str, draw: np.random.Generator, blocks: int) -> Floats:
    """The losses of a quiet year, shape (weeks, blocks)."""
    noise = draw.normal(0, 1, WEEKS * blocks)
    if kind == "alike":
        for n in range(1, len(noise)):
            noise[n] = 0.5 * noise[n - 1] + np.sqrt(0.75) * noise[n]
    if kind == "student":
        noise = np.maximum(draw.standard_t(5, len(noise)) / np.sqrt(5 / 3), -9)
    relative = 1 + 0.1 * noise
    if kind == "lognormal":
        relative = np.exp(0.3 * noise)
    if kind == "storms":
        storm = np.zeros(len(noise))
        for day in np.flatnonzero(draw.random(len(noise)) < 0.01):
            storm[day : day + 3] = draw.exponential(0.5)
        relative = np.exp(0.2 * noise + storm)
    return np.asarray(0.5 * relative).reshape(WEEKS, blocks)


def chart(year: Floats) -> float:
    """Evergreen's."""
    blocks = year.shape[1]
    apart = 7 * DAY / blocks
    track = [LiveLoss(START + n * apart, str(n // blocks), ROWS, float(x), 1) for n, x in enumerate(year.ravel())]
    found = breaks(Chart(track))
    return next((float(one.seen) for one in found), np.inf)


def three_sigma(year: Floats) -> float:
    """The chart over weekly means that was there before."""
    weekly = year.mean(axis=1)
    for week in range(6, WEEKS):
        base = weekly[:week]
        if weekly[week] > base.mean() + max(3 * base.std(ddof=1) * np.sqrt(1 + 1 / week), 0.01 * base.mean()):
            return float(week)
    return np.inf


def river(detector: type[ADWIN | PageHinkley], *, rows: bool) -> Seen:
    """One of River's, over block means or over rows."""

    def seen(year: Floats) -> float:
        found, draw = detector(), np.random.default_rng(1)
        values = year.ravel()
        each = ROWS if rows else 1
        if rows:
            values = (values[:, None] * draw.exponential(1.0, (len(values), ROWS))).ravel()
        known = values[: 6 * each * year.shape[1]]
        values = (values - known.mean()) / known.std()
        for place, value in enumerate(values):
            found.update(float(value))
            if found.drift_detected:
                return float(place // (each * year.shape[1]))
        return np.inf

    return seen


BESIDE: dict[str, Seen] = {
    "three sigma over weeks": three_sigma,
    "ADWIN over blocks": river(ADWIN, rows=False),
    "Page-Hinkley over blocks": river(PageHinkley, rows=False),
}


def quiet_years(claims: Claims) -> None:
    """The share of years without any change in which there is an alarm."""
    for name, kind in KINDS.items():
        for blocks in (7, 1):
            draw = np.random.default_rng(1)
            years = [losses(kind, draw, blocks) for _ in range(YEARS)]
            what = f"quiet years with an alarm: {name}; {'weeks of 7 days' if blocks == 7 else 'weeks as one block'}"
            rate = alarmed(chart, years)
            beside = {other: alarmed(seen, years) for other, seen in BESIDE.items()}
            stated = blocks == 7 and kind != "storms"  # what a storm is depends on the year
            claims.at_most(what, rate, OF_DAYS if stated else beside["three sigma over weeks"], "of years")
            for other, found in beside.items():
                claims.show(f"- {other}", found, "of years")
    draw = np.random.default_rng(2)
    years = [losses("normal", draw, 168) for _ in range(10)]
    claims.at_most(
        "quiet years with an alarm: normal, by 10 %; weeks of 168 hours", alarmed(chart, years), OF_DAYS, "of years"
    )
    years = [losses("normal", draw, 7) for _ in range(10)]
    for detector in (ADWIN, PageHinkley):
        found = alarmed(river(detector, rows=True), years)
        claims.show(f"- {detector.__name__} over rows, weeks of 7 days", found, "of years")


def alarmed(seen: Seen, years: list[Floats]) -> float:
    """The share of years in which a detector alarms."""
    return float(np.mean([np.isfinite(seen(year)) for year in years]))


def broken_years(claims: Claims) -> None:
    """How many breaks are seen in their first week, and within four, after half a year; earlier alarms are misses."""
    for kind in ("normal", "alike", "lognormal"):
        for rise in (0.1, 0.2, 0.5):
            draw = np.random.default_rng(3)
            years = [losses(kind, draw, 7) for _ in range(YEARS // 2)]
            for year in years:
                year[TURNED:] *= 1 + rise
            for name, seen in {"Evergreen": chart, **BESIDE}.items():
                delays = np.array([seen(year) - TURNED for year in years])
                first, month = (float(np.mean((delays >= 0) & (delays < weeks))) for weeks in (1, 4))
                what = f"{kind}, {rise:+.0%} from week {TURNED} on: {name}"
                if name == "Evergreen" and kind != "lognormal" and rise == 0.5:
                    claims.at_least(f"{what}: seen in the first week", first, 0.9, "of breaks")
                else:
                    claims.show(f"{what}: seen in the first week", first, "of breaks")
                claims.show(f"{what}: within four", month, "of breaks")


def estimates(claims: Claims, trials: int = 10) -> None:
    """CBPE on rows that are harder or easier than the known ones, by a version that is too sure of itself."""
    for shift in (0.0, 0.5, 1.0, 2.0):
        draw = np.random.default_rng(4)
        errors, assumed, held = list[float](), list[float](), list[bool]()
        for _ in range(trials):
            (known, target, days), (new, came, week) = (scored(draw, *rows) for rows in ((0.0, 30), (shift, 7)))
            estimator = Estimator(Binary(), Known(target, known, days), 0.9)
            figure = estimator.estimate(new, week).figures[0]
            truth = float(Binary().row_loss(came, new).mean())
            errors.append(abs(figure.value - truth))
            assumed.append(abs(float(Binary().row_loss(target, known).mean()) - truth))
            held.append(figure.low is not None and figure.high is not None and figure.low <= truth <= figure.high)
        what = f"estimate without labels, rows harder by {shift}"
        if shift:
            claims.at_most(f"{what}: error, of that of 'as on the holdout'", np.mean(errors) / np.mean(assumed), 0.5)
        claims.show(f"{what}: mean error of the loss", float(np.mean(errors)), "nats")
        claims.show(f"{what}: 90 % interval holds", 100 * float(np.mean(held)), "% of trials")


def scored(draw: np.random.Generator, shift: float, days: int) -> tuple[Floats, Floats, NDArray[np.integer]]:
    """What a version says of rows, their labels, and their days: each day has a weather of its own."""
    day = np.repeat(np.arange(days), 200)
    logit = draw.normal(2.5 - shift, 1.0, len(day)) * draw.choice([-1, 1], len(day))
    target = draw.random(len(day)) < 1 / (1 + np.exp(-logit * draw.normal(1.0, 0.1, days)[day]))
    return 1 / (1 + np.exp(-1.5 * logit)).reshape(-1, 1), target.astype(float), day


if __name__ == "__main__":
    sys.exit(main())
