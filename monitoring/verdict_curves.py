"""How both versions predict the rows that decided, and how the challenger's training went: plots of a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from db.verdict_records import CALIBRATION, PRECISION, QUANTILES, RESIDUALS
from evergreen_client.shown import number
from monitoring.document import name, shown
from monitoring.plots import Line, Plot, drawn

if TYPE_CHECKING:
    from db.records import EpochMetric
    from db.verdict_records import EvaluationCurve
    from monitoring.verdict_facts import Judged

    Sides = dict[str, EvaluationCurve]

INK = {"champion": "soft", "challenger": "blue"}
STYLE = {"champion": "--", "challenger": "-"}
STAGES = 4  # whose curves are drawn
ROOM = 0.04  # of an axis, left free at its ends


def curves_section(seen: Judged) -> str:
    """Calibration and precision of classes, residuals and quantiles of numbers; "" where none were recorded."""
    kinds: dict[str, Callable[[Sides], tuple[str, Plot]]] = {
        CALIBRATION: calibration,
        PRECISION: precision,
        RESIDUALS: residuals,
        QUANTILES: quantiles,
    }
    found: dict[tuple[str, str], Sides] = {}
    for curve in seen.curves:
        output, _, kind = curve.name.rpartition("/")
        found.setdefault((output, kind), {})[curve.side] = curve
    figures = [
        figure(f"{output}: {words}" if output else words, plot)
        for kind, of in kinds.items()
        for (output, known), sides in found.items()
        if known == kind and len(sides) == 2
        for words, plot in [of(sides)]
    ]
    if not figures:
        return "<h2>Curves</h2><p>None were recorded: there were too few rows, or it was judged before curves were.</p>"
    against = f"version {seen.evaluation.champion}" if seen.evaluation.champion else "the best constant"
    rows = seen.curves[0].rows
    said = f"On {rows:,} of the rows that decided. {key(f'version {seen.evaluation.challenger}', against)}"
    return f'<h2>Curves</h2><p><small>{said}</small></p><div class="two">{"".join(figures)}</div>'


def key(challenger: str, champion: str) -> str:
    """Which line is whose."""
    return (
        f'<span class="whole ink-blue">━ challenger, {shown(challenger)}</span>&nbsp; '
        f'<span class="whole ink-grey">╌ champion, {shown(champion)}</span>'
    )


def figure(words: str, plot: Plot) -> str:
    """A plot with what to see in it."""
    return f"<figure>{drawn(plot)}<figcaption>{shown(words)}</figcaption></figure>"


def calibration(sides: Sides) -> tuple[str, Plot]:
    """What was predicted and what came: on the dotted line, a chance of 0.3 comes true three times in ten."""
    points = [value for side in sides.values() for name in ("predicted", "came") for value in side.points[name]]
    most = min(1.0, max([*points, 0.01]) * (1 + ROOM))
    lines = [Line([0, most], [0, most], "soft", ":")]
    for side in ("champion", "challenger"):
        found = sides[side].points
        lines += [Line(found["predicted"], found["came"], INK[side], how) for how in (STYLE[side], ".")]
    off = {side: miss(curve) for side, curve in sides.items()}
    words = (
        "Calibration: on the dotted line, what is said to come in three of ten cases does. Predictions are off by "
        f"{off['challenger']:.1%} on average, the champion's by {off['champion']:.1%}."
    )
    return words, Plot(lines, "predicted chance", "share that came", words, (0, most, 0, most))


def miss(curve: EvaluationCurve) -> float:
    """By how much predictions are off, row by row, in the bins of a calibration curve."""
    predicted, came, rows = (curve.points[name] for name in ("predicted", "came", "rows"))
    off = (abs(one - other) * count for one, other, count in zip(predicted, came, rows, strict=True))
    return sum(off) / max(sum(rows), 1.0)


def precision(sides: Sides) -> tuple[str, Plot]:
    """Which share of alarms is right at each share of events found."""
    lines = []
    for side in ("champion", "challenger"):
        found = sides[side].points
        edge = found["precision"][:1]
        lines.append(Line([0.0, *found["recall"]], [*edge, *found["precision"]], INK[side], STYLE[side]))
        if not edge:
            lines[-1] = Line([], [], INK[side])
    half = {side: at_half(curve) for side, curve in sides.items()}
    words = (
        "Precision and recall: which share of alarms is right, at each share of events that are found (of several "
        "classes, each is looked for in every row)."
    )
    if all(map(math.isfinite, half.values())):
        ours, its = half["challenger"], half["champion"]
        words += f" Where half of them are found, {ours:.1%} of alarms are right; the champion's, {its:.1%}."
    return words, Plot(lines, "recall: share of events found", "precision: share right", words, (0, 1, 0, 1.005))


def at_half(curve: EvaluationCurve) -> float:
    """The precision where half of the events are found; NaN of no curve."""
    points = zip(curve.points["recall"], curve.points["precision"], strict=True)
    return next((right for found, right in points if found >= 0.5), math.nan)


def residuals(sides: Sides) -> tuple[str, Plot]:
    """By how much targets lie above predictions, along the predictions."""
    lines = [Line([*_ends(sides, "predicted")], [0, 0], "soft", ":")]
    ours = sides["challenger"].points
    lines.append(Line(ours["predicted"], ours["high"], "band", "fill", ours["low"]))
    its = sides["champion"].points
    lines += [Line(its["predicted"], its[end], INK["champion"], ":") for end in ("low", "high")]
    for side in ("champion", "challenger"):
        found = sides[side].points
        lines.append(Line(found["predicted"], found["median"], INK[side], STYLE[side]))
    words = (
        "Residuals: target less prediction, the median and the middle 80 % of rows (the band, dotted for the "
        "champion). A line away from 0 is a mistake that is always the same."
    )
    return words, Plot(lines, "prediction", "target less prediction", words)


def quantiles(sides: Sides) -> tuple[str, Plot]:
    """Whether predictions spread as targets do."""
    ends = _ends(sides, "target")
    lines = [Line([*ends], [*ends], "soft", ":")]
    for side in ("champion", "challenger"):
        found = sides[side].points
        lines.append(Line(found["target"], found["prediction"], INK[side], STYLE[side]))
    words = (
        "Quantiles 1 to 99 % of targets and predictions: flatter than the dotted line, predictions spread less than "
        "targets, as a cautious model's do."
    )
    return words, Plot(lines, "quantile of targets", "quantile of predictions", words)


def _ends(sides: Sides, coordinate: str) -> tuple[float, float]:
    values = [value for side in sides.values() for value in side.points[coordinate]]
    return min(values), max(values)


def learning_section(seen: Judged) -> str:
    """The challenger's loss, epoch by epoch, of each stage."""
    planned = [stage.get("name") for stage in seen.challenger.plan.get("stages") or ()]  # recorded by name
    known = dict.fromkeys(point.stage for point in seen.epochs)
    stages = sorted(known, key=lambda stage: planned.index(stage) if stage in planned else len(planned))
    figures = [one for stage in stages[:STAGES] if (one := stage_figure(stage, seen.epochs))]
    if not figures:
        return ""
    said = f"<p>{shown(seen.challenger.reason)}</p>" if seen.challenger.reason else ""
    return f'<h2>Training</h2>{said}<div class="two">{"".join(figures)}</div>'


def stage_figure(stage: str, epochs: Sequence[EpochMetric]) -> str:
    """Losses of one stage on what it trained on and on what was held back; "" where there are none."""
    found = dict(losses(stage, epochs))
    lines = [
        Line([e for e, _ in points], [v for _, v in points], ink, style)
        for which, ink, styles in (("loss", "soft", ("--", ".")), ("val_loss", "blue", ("-", ".")))
        if (points := found.get(which))
        for style in styles
    ]
    if not lines:
        return ""
    last = {which: points[-1][1] for which, points in found.items()}
    words = f"{len(next(iter(found.values()))):,} epochs"
    words += f"; the loss ends at {number(last['loss'])} on rows that it learned" if "loss" in last else ""
    words += f", {number(last['val_loss'])} on rows held back" if "val_loss" in last else ""
    plot = Plot(lines, "epoch", "loss", f"Stage {stage}: {words}", whole=True)
    keys = {
        "val_loss": '<span class="whole ink-blue">━ rows held back</span>',
        "loss": '<span class="whole ink-grey">╌ rows that it learned</span>',
    }
    legend = "&nbsp; ".join(key for which, key in keys.items() if which in found)
    return f"<figure><h3>{name(stage)}</h3>{drawn(plot)}<figcaption>{shown(words)}. {legend}</figcaption></figure>"


def losses(stage: str, epochs: Sequence[EpochMetric]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Epochs and losses of a stage, by which rows they are of."""
    for which in ("loss", "val_loss"):
        points = [(float(e.epoch), e.value) for e in epochs if (e.stage, e.name) == (stage, which)]
        if finite := [point for point in points if math.isfinite(point[1])]:
            yield which, finite
