"""Plots of a backtest: each policy's loss over time, its difference from the present one, and what costs bring."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from monitoring.chart import Chart, LiveLoss, breaks
from monitoring.plots import Line, Plot

if TYPE_CHECKING:
    from evaluation.backtest_report import Report, Window
    from evaluation.backtests import PolicyResult
    from evaluation.policy_figures import Figures

DAY = timedelta(days=1)
INK = {"promotion": "blue", "refusal": "soft", "rollback": "red"}
ROOM = 0.06  # of an axis, left free at its ends
LEAST = 0.2  # percent up and down that a difference's axis has at least: less is nothing to look at


def loss_plot(seen: Report, policy: str) -> Plot:
    """A policy's loss over time beside the present one's and a constant's, and what happened when."""
    backtest, ours = seen.backtest, seen.courses[policy]
    start = backtest.policy(policy).scores[0].block
    across = _days(ours, start)
    means, lows, highs = ([getattr(window.loss, which) for window in ours] for which in ("mean", "low", "high"))
    present = [window.loss.mean for window in seen.courses[backtest.present]]
    bottom, top = _ends([*means, *present, *lows, *highs])
    under = bottom - (top - bottom) * ROOM
    turned = _at(breaks_of(backtest.policy(policy)), start)
    lines = [Line([day, day], [under, top], "red", ":") for day in turned]
    lines += bands(across, lows, highs)
    if policy != backtest.present:
        lines.append(Line(across, present, "soft", "--"))
    lines.append(Line(across, means, "blue"))
    for kind, ink in INK.items():
        when = _at([step.at for what, step in seen.happened[policy] if what == kind], start)
        lines.append(Line(when, [under] * len(when), ink, "."))
    says = f"{policy}: loss over time, {means[0]:.4g} first, {means[-1]:.4g} last"
    return Plot(lines, _since(start), "loss", says, (0, max(across) + 1, under, top))


def difference_plot(seen: Report, policy: str) -> Plot:
    """By how much a policy's mean loss so far is above the present one's, in percent of all, with its interval."""
    ours = seen.courses[policy]
    start = seen.backtest.policy(policy).scores[0].block
    across, found = _days(ours, start), [window.so_far for window in ours]
    scale = 100 / (abs(seen.compared.losses.mean(seen.backtest.present)) or 1.0)
    means, lows, highs = (
        [scale * getattr(one, which) if one else math.nan for one in found] for which in ("mean", "low", "high")
    )
    zero = Line([min(across), max(across)], [0, 0], "soft", ":")
    lines = [*bands(across, lows, highs), zero, Line(across, means, "blue")]
    bottom, top = _ends([*means, *lows, *highs, -LEAST, LEAST])
    says = f"{policy}: difference of its mean loss so far from that of {seen.backtest.present}"
    return Plot(lines, _since(start), "difference so far, %", says, (0, max(across) + 1, bottom, top))


def cost_plot(found: Sequence[Figures], best: Sequence[Figures], cost: str, named: str) -> Plot:
    """Loss against a cost: a numbered dot a policy, and the line of those that no other beats."""
    numbers: dict[tuple[float, float], str] = {}
    for place, one in enumerate(found, 1):  # those that did the same share a dot
        where = float(getattr(one, cost)), one.mean
        numbers[where] = f"{numbers[where]}, {place}" if where in numbers else str(place)
    edge = [(float(getattr(one, cost)), one.mean) for one in best]
    lines = [Line([x for x, _ in edge], [y for _, y in edge], "blue")]
    lines.append(Line([x for x, _ in numbers], [y for _, y in numbers], "soft", ".", names=[*numbers.values()]))
    lines.append(Line([x for x, _ in edge], [y for _, y in edge], "blue", "."))
    ends = _ends([x for x, _ in numbers]), _ends([y for _, y in numbers])
    right = ends[0][1] + (ends[0][1] - ends[0][0]) * ROOM  # for the number beside the last dot
    limits = ends[0][0], right, *ends[1]
    on = ", ".join(str(found.index(one) + 1) for one in best)
    return Plot(lines, named, "mean loss", f"Mean loss against {named}; no other policy beats number {on}", limits)


def breaks_of(result: PolicyResult) -> list[datetime]:
    """Where the live losses of a policy broke, by the chart that watches a champion; here it knows of no rare rows."""
    ends = [step.at for step in result.steps]
    merged = []
    for block, scores in groupby(sorted(result.scores, key=lambda one: one.block), key=lambda one: one.block):
        parts = [one for one in scores if one.rows]
        rows = sum(one.rows for one in parts)
        if rows:
            arrival = sum(end <= block for end in ends)
            loss = sum(one.rows * one.loss for one in parts) / rows
            merged.append(LiveLoss(block, f"{arrival}", rows, loss, parts[-1].version))
    return [merged[one.since].block for one in breaks(Chart(merged))] if merged else []


def bands(across: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> Iterator[Line]:
    """The areas between two lines, without those places at which one of them is not known."""
    for known, places in groupby(range(len(across)), lambda at: math.isfinite(lows[at]) and math.isfinite(highs[at])):
        inside = list(places)
        if known:
            xs = [across[at] for at in inside]
            yield Line(xs, [highs[at] for at in inside], "band", "fill", [lows[at] for at in inside])


def _days(windows: Sequence[Window], start: datetime) -> list[float]:
    return _at([window.at for window in windows], start)


def _at(times: Sequence[datetime], start: datetime) -> list[float]:
    return [(time - start) / DAY for time in times]


def _since(start: datetime) -> str:
    return f"days since {start:%Y-%m-%d}"


def _ends(values: Sequence[float]) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    room = (max(finite) - min(finite)) * ROOM or abs(max(finite)) * ROOM or 1.0
    return min(finite) - room, max(finite) + room
