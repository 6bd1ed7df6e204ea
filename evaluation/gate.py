"""The gate: champion and challenger on the same holdout rows, in pairs, with intervals and not point estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from db.records import EvaluationMetric
from errors import NotEnoughData
from evaluation.losses import NO_PREDICTION, paired_losses, predicted
from evergreen_client.shown import said

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from learning.objectives import Objective
    from learning.spec import Gate

Floats = NDArray[np.floating]

NEWEST = "newest"
UNPREDICTED = "no prediction"  # the verdict on a challenger without one
NAMED = 80  # characters of a slice's name in a sentence: it holds a category, which may be of any length


@dataclass(frozen=True)
class Paired:
    """The same holdout rows, predicted by both versions; all arrays are in the same order.

    Args:
        target: labels, shape (rows,).
        champion_prediction: the champion's, shape (rows, outputs).
        challenger_prediction: the challenger's, of the same shape.
        dataset: name of the dataset that each row belongs to, shape (rows,).
        slices: slice column to its values, each of shape (rows,).
        entity: a number for the patient or card that each row belongs to, shape (rows,); by default every row is
            one by itself.
    """

    target: Floats
    champion_prediction: Floats
    challenger_prediction: Floats
    dataset: NDArray[np.str_]
    slices: Mapping[str, NDArray[np.str_]]
    entity: NDArray[np.integer] | None = None


@dataclass(frozen=True)
class Verdict:
    """What the gate says, with a sentence for people and every figure behind it."""

    passed: bool
    reason: str
    metrics: tuple[EvaluationMetric, ...]

    @property
    def harmful(self) -> bool:
        """Shown to be worse on the newest era, or without a prediction of some row: more than not proven better."""
        newest = [m for m in self.metrics if m.dataset == NEWEST and not m.slice]
        return any(m.verdict in {"worse", UNPREDICTED} for m in newest)


def judge(paired: Paired, objective: Objective, gate: Gate) -> Verdict:
    """Let the challenger pass if it is proven better on the newest era and not shown worse elsewhere.

    A challenger that gives no prediction (NaN, infinite) of a single row does not pass, whatever its losses are; a
    champion that gives none loses that row (`paired_losses`). Then three rules, each on the relative change of the
    mean loss and its confidence interval:

    * newest era: the whole interval lies below -min_gain ("better");
    * past eras: the whole interval lies below max_forgetting ("kept"), so forgetting is ruled out, not just unproven;
    * slices: the interval does not lie above max_forgetting ("kept"). Slices are many and small, so here harm has
      to be shown: to rule it out for each of them would refuse every challenger.

    Raises:
        NotEnoughData: not one labelled holdout row.
    """
    if not len(paired.target):
        raise NotEnoughData("0 labelled holdout rows", "champion and challenger cannot be compared", "wait for labels")
    predictions = paired.champion_prediction, paired.challenger_prediction
    before, after = paired_losses(objective, paired.target, *predictions)
    missing = ~predicted(predictions[0]), ~predicted(predictions[1])
    entity = np.arange(len(before)) if paired.entity is None else paired.entity
    metrics: list[EvaluationMetric] = []
    for dataset, part, rows in parts(paired):
        losses = Losses(dataset, part, before[rows], after[rows], entity[rows])
        metrics.append(compare(losses, objective.loss_name, gate))
        if not part:
            metrics += unpredicted(dataset, missing[0][rows], missing[1][rows])
            metrics += other_figures(dataset, paired, rows & ~missing[0] & ~missing[1], objective)
    return Verdict(*conclusion(metrics, objective.loss_name), tuple(metrics))


def parts(paired: Paired) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Datasets, newest first, then slices over all rows: (dataset, slice, which rows)."""
    names = sorted(set(paired.dataset.tolist()), key=lambda name: (name != NEWEST, name))
    for name in names:
        yield name, "", paired.dataset == name
    for column, values in paired.slices.items():
        for value in sorted(set(values.tolist())):
            yield "all", f"{column}={value}", values == value


@dataclass(frozen=True)
class Losses:
    """The losses of the same rows under both versions; `slice` is empty for a whole dataset."""

    dataset: str
    slice: str
    champion_loss: Floats
    challenger_loss: Floats
    entity: NDArray[np.integer]


def compare(losses: Losses, metric: str, gate: Gate) -> EvaluationMetric:
    """Paired comparison of row losses; delta and interval are relative to the champion's mean loss."""
    before, after = float(losses.champion_loss.mean()), float(losses.challenger_loss.mean())
    scale = max(abs(before), 1e-12)
    difference = losses.challenger_loss - losses.champion_loss
    low = high = (after - before) / scale
    if np.ptp(difference) > 0 and np.ptp(losses.entity) > 0:
        low, high = (limit / scale for limit in mean_interval(difference, losses.entity, gate.confidence))
    return EvaluationMetric(
        dataset=losses.dataset,
        slice=losses.slice,
        metric=metric,
        rows=len(difference),
        champion_value=before,
        challenger_value=after,
        delta=(after - before) / scale,
        ci_low=low,
        ci_high=high,
        verdict=verdict(losses, low, high, gate),
    )


def mean_interval(values: Floats, entity: NDArray[np.integer], confidence: float) -> tuple[float, float]:
    """Student's confidence interval of a mean, of rows that are alike within an entity and independent between them.

    The rows of one patient say less than as many patients would: the standard error is the cluster-robust one of
    Liang and Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73 (1986). Where every
    row is an entity, it is the plain one.
    """
    from scipy.special import stdtrit  # scipy.stats imports ten times as long

    mean = float(values.mean())
    _, place = np.unique(entity, return_inverse=True)
    sums = np.bincount(place, weights=values - mean)
    error = np.sqrt(np.sum(sums**2) * len(sums) / (len(sums) - 1)) / len(values)
    reach = float(stdtrit(len(sums) - 1, 0.5 + confidence / 2) * error)
    return mean - reach, mean + reach


def verdict(losses: Losses, low: float, high: float, gate: Gate) -> str:
    """One word for one comparison, by the rule of its kind."""
    if len(losses.champion_loss) < gate.min_rows or np.ptp(losses.entity) == 0:
        return "too few rows"
    if losses.slice:
        return "harmed" if low > gate.max_forgetting else "kept"
    if losses.dataset == NEWEST:
        return "better" if high < -gate.min_gain else "worse" if low > 0 else "same"
    return "kept" if high <= gate.max_forgetting else "forgotten"


def other_figures(
    dataset: str, paired: Paired, rows: NDArray[np.bool_], objective: Objective
) -> Iterator[EvaluationMetric]:
    """The figures people ask for beside the loss, of rows that both predict; shown, and never decisive."""
    if not rows.any():
        return
    before = objective.metrics(paired.target[rows], paired.champion_prediction[rows])
    after = objective.metrics(paired.target[rows], paired.challenger_prediction[rows])
    for name in before:
        if name != objective.loss_name:
            yield EvaluationMetric(
                dataset=dataset,
                slice="",
                metric=name,
                rows=int(rows.sum()),
                champion_value=before[name],
                challenger_value=after[name],
                delta=after[name] - before[name],
                ci_low=None,
                ci_high=None,
                verdict="shown",
            )


def unpredicted(dataset: str, champion: NDArray[np.bool_], challenger: NDArray[np.bool_]) -> Iterator[EvaluationMetric]:
    """For how many rows of a dataset there was no prediction, if for any."""
    before, after = int(champion.sum()), int(challenger.sum())
    if before or after:
        word = UNPREDICTED if after else "shown"
        yield EvaluationMetric(
            dataset, "", NO_PREDICTION, len(champion), before, after, after - before, None, None, word
        )


def conclusion(figures: Sequence[EvaluationMetric], loss_name: str) -> tuple[bool, str]:
    """Whether the challenger passes, and why, from the figures of every dataset and slice."""
    missing = [m for m in figures if m.metric == NO_PREDICTION]
    lost = sum(m.challenger_value for m in missing)
    if lost:
        rows = sum(m.rows for m in figures if m.metric == loss_name and not m.slice)
        return False, f"no prediction (NaN or infinite) of {lost:,} of {rows:,} holdout rows"
    passed, reason = weighed([m for m in figures if m.metric == loss_name])
    lost = sum(m.champion_value for m in missing)
    return passed, reason + (f"; the champion gave no prediction (NaN or infinite) of {lost:,} rows" if lost else "")


def weighed(metrics: Sequence[EvaluationMetric]) -> tuple[bool, str]:
    """Whether the challenger passes, and why, from the losses of every dataset and slice."""
    newest = next((m for m in metrics if m.dataset == NEWEST), None)
    if newest is None or newest.verdict == "too few rows":
        rows = newest.rows if newest else 0
        return False, f"only {rows} labelled holdout rows arrived, too few for a verdict"
    values = f"{newest.champion_value:.4f} to {newest.challenger_value:.4f}"
    gain = f"{newest.metric} {values} on the newest era ({interval(newest)})"
    if newest.verdict != "better":
        return False, f"{'shown worse' if newest.verdict == 'worse' else 'not proven better'}: {gain}"
    lost = [m for m in metrics if m.verdict in {"forgotten", "harmed"}]
    if lost:
        worst = max(lost, key=lambda m: m.ci_high or 0.0)
        where = f"on {said(worst.slice or worst.dataset, NAMED)}"
        return False, f"{worst.verdict} {where} ({interval(worst)}), although {gain}"
    return True, f"better: {gain}, nothing forgotten"


def interval(metric: EvaluationMetric) -> str:
    """The relative change and its interval, for people."""
    return f"{metric.delta:+.1%}, between {metric.ci_low:+.1%} and {metric.ci_high:+.1%}"


def past_eras(learned: Sequence[PartitionRecord], eras: int) -> dict[str, str]:
    """Divide what the champion learned from, oldest first, into eras of about as many rows: digest to era name."""
    total = sum(partition.rows for partition in learned)
    groups: dict[int, list[PartitionRecord]] = {}
    seen = 0
    for partition in learned:
        groups.setdefault(min(seen * eras // max(total, 1), eras - 1), []).append(partition)
        seen += partition.rows
    return {
        partition.digest: f"{group[0].time_from:%Y-%m-%d} to {max(p.time_to for p in group):%Y-%m-%d}"
        for group in groups.values()
        for partition in group
    }
