"""A forest plot: the change of the loss on each dataset, era and slice with its interval, a line of a table each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitoring.document import name, shown, table, unbroken
from monitoring.drawings import HIGH, WIDE, Axis, below, boxes, dots, strip

if TYPE_CHECKING:
    from db.verdict_records import EvaluationMetric, EvaluationRecord

LINES = 40  # slices that are shown, those with the most harm first
HARM = {"worse", "forgotten", "harmed", "suspect", "no prediction"}
GOOD = {"better"}
SHOWN = {"shown", "no prediction"}  # said of figures that nothing is judged by
FOUND = "found"  # the dataset of slices that nobody named
MANY = 4  # times the middle interval's reach, beyond which an interval is cut off
ROOM = 0.04  # of the axis, left free at its ends
BAR = 34  # percent of a line's height that an interval takes


def forest_section(evaluation: EvaluationRecord) -> str:
    """How the loss changes, where, and how sure that is."""
    lines = changes(evaluation)
    if not lines:
        return ""
    slices = [m for m in lines if m.slice]
    kept = [*(m for m in lines if not m.slice), *slices[:LINES]]
    left = len(slices) - len(slices[:LINES])
    metric = shown(lines[0].metric)
    parts = [
        "<h2>Where it is better, and where it is not</h2>",
        deciding(evaluation.metrics[0]) if evaluation.metrics[0].metric != lines[0].metric else "",
        f"<p><small>Change of the mean {metric}, relative to the loss before; left of the line is better.</small></p>",
        forest(kept),
    ]
    if left:
        harmed = sum(m.verdict in HARM for m in slices[LINES:])
        parts.append(f"<p><small>{left:,} more slices are not shown; harm is shown on {harmed:,} of them.</small></p>")
    return "\n".join(parts)


def changes(evaluation: EvaluationRecord) -> list[EvaluationMetric]:
    """The figures that verdicts are of: datasets as they are recorded, and then slices, those with most harm first."""
    judged = [m for m in evaluation.metrics if m.verdict not in SHOWN]
    found = [m for m in judged if m.metric == judged[-1].metric]  # another figure may decide: it stands first, and once
    slices = sorted((m for m in found if m.slice), key=harm, reverse=True)
    return [*(m for m in found if not m.slice), *slices]


def deciding(metric: EvaluationMetric) -> str:
    """The figure that decides in place of the loss, in a sentence: of some figures more is better, of others less."""
    known = metric.ci_low is not None and metric.ci_high is not None
    between = f", between {metric.ci_low:+.1%} and {metric.ci_high:+.1%}" if known else ""
    values = f"{metric.champion_value:.4g} to {metric.challenger_value:.4g} ({metric.delta:+.1%}{between})"
    what = f"{name(metric.metric)} on the {name(metric.dataset)}"
    return f"<p>What decides is {what}, {values}: {shown(metric.verdict)}.</p>"


def harm(metric: EvaluationMetric) -> tuple[bool, float]:
    """How much harm a figure shows: a veto first, then by the lower end of the interval."""
    low = metric.ci_low if metric.ci_low is not None and math.isfinite(metric.ci_low) else -math.inf
    return metric.verdict in HARM, low


def forest(metrics: Sequence[EvaluationMetric]) -> str:
    """The table, and its axis below it."""
    across = scale(metrics)
    heads = {"where": "", "interval": "", "change": "n", "between": "n wide", "rows": "n wide", "says": "n"}
    rows = [line(metric, across) for metric in metrics]
    ends = below((f"{across.low:+.1%}", f"{across.high:+.1%}"))
    rows.append(["", ends, "", "", "", ""])
    return table(heads, rows, kind="grid forest")


def line(metric: EvaluationMetric, across: Axis) -> list[str]:
    """One dataset or slice."""
    known = metric.ci_low is not None and metric.ci_high is not None
    between = f"{metric.ci_low:+.1%} to {metric.ci_high:+.1%}" if known else ""
    where = unbroken(metric.slice or metric.dataset)
    where += "<br><small>found by a search</small>" if metric.dataset == FOUND else ""
    where += f"<br><small>against version {metric.against}</small>" if metric.against else ""
    words = shown(metric.verdict)
    says = f'<span class="alarm">{words}</span>' if metric.verdict in HARM else words
    delta = f"{metric.delta:+.1%}" if math.isfinite(metric.delta) else ""
    return [where, drawing(metric, across), delta, between, f"{metric.rows:,}", says]


def drawing(metric: EvaluationMetric, across: Axis) -> str:
    """The interval as a bar, the change as a dot on it, and where there is no change."""
    layers = [("mark", f"M{across.at(0.0):g} 0v{HIGH}")]
    says = f"changes by {metric.delta:+.1%}"
    if metric.ci_low is not None and metric.ci_high is not None:
        left, right = (across.at(clipped(end, across)) for end in (metric.ci_low, metric.ci_high))
        kind = "badbars" if metric.verdict in HARM else "bars" if metric.verdict in GOOD else "base"
        layers.append((kind, boxes([(left, (HIGH - BAR) / 2, max(right - left, 2.0), BAR)])))
        says += f", between {metric.ci_low:+.1%} and {metric.ci_high:+.1%}"
    if math.isfinite(metric.delta):
        layers.append(("truth", dots([(across.at(clipped(metric.delta, across)), HIGH / 2)])))
    return strip(layers, shown(says))


def clipped(value: float, across: Axis) -> float:
    """A value, or the end of the axis that it lies beyond."""
    return min(max(value, across.low), across.high)


def scale(metrics: Sequence[EvaluationMetric]) -> Axis:
    """An axis with 0 on it; a few intervals much wider than the others do not stretch it, and are cut off."""
    ends = [[end for end in (m.delta, m.ci_low, m.ci_high) if end is not None and math.isfinite(end)] for m in metrics]
    reaches = sorted(max(map(abs, some)) for some in ends if some) or [0.0]
    most = MANY * reaches[len(reaches) // 2] or reaches[-1] or 0.01
    low, high = (pick((0.0, *(end for some in ends for end in some))) for pick in (min, max))
    room = ROOM * (min(high, most) - max(low, -most)) or 0.01
    left = max(low, -most) - room
    return Axis(left if low < -1 else max(left, -1.0), min(high, most) + room, WIDE)  # of a loss no more than all goes
