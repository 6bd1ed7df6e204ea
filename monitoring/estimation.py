"""How a champion fares on rows whose labels are not known yet, by what its own probabilities let expect."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from learning.objectives import Objective

Floats = NDArray[np.floating[Any]]
Calibration = Callable[[Floats], Floats]

FEWEST = 200  # held-out rows without which nothing can be calibrated
FOLDS = 5
PLATT, FEW_CLASSES = "Platt", 20
FEW_BLOCKS = 5  # of the known rows, without which an interval would be a guess
SMALLEST = 1e-7  # a probability, as the objectives have it


@dataclass(frozen=True)
class Known:
    """Labelled rows that a version never learned from.

    Args:
        target: shape (rows,).
        prediction: probabilities, shape (rows, outputs).
        block: what names each row's time block, shape (rows,).
    """

    target: Floats
    prediction: Floats
    block: NDArray[Any]


@dataclass(frozen=True)
class Estimated:
    """One figure that is to be expected; the interval is that of the truth, None where there are too few blocks."""

    metric: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Estimation:
    """What is to be expected of some rows, and a sentence: how it was found, or why nobody can tell."""

    figures: tuple[Estimated, ...]
    reason: str


class Estimator:
    """Confidence-based performance estimation (CBPE) for one version.

    If the probabilities are right, they say how often the version is right: a row to which it gives a chance of q
    costs -q log p - (1 - q) log(1 - p) on average, where p is what it says and q what that is worth. q is calibrated
    on known rows, by Platt's logistic curve or by isotonic regression, whichever predicts left-out blocks better, or
    not at all. See Guillory et al., "Predicting with confidence on unseen distributions" (2021); Garg et al.,
    "Leveraging unlabeled data to predict out-of-distribution performance" (2022); NannyML's documentation of CBPE.

    It sees what rows are like (covariate shift), and nothing of what they mean: where the same row has another label
    than before (concept drift), the estimate stays as good as ever.

    Args:
        objective: says what predictions are.
        known: rows to calibrate by.
        confidence: of the intervals.
    """

    def __init__(self, objective: Objective, known: Known, confidence: float) -> None:
        self._objective, self._confidence = objective, confidence
        self.unable = _unable(objective, known)
        if self.unable:
            return
        there = np.isfinite(known.prediction.reshape(len(known.target), -1)).all(axis=1)
        target, block = known.target[there].astype("int64"), np.unique(known.block[there], return_inverse=True)[1]
        said = probabilities(known.prediction[there])
        # Platt's curve of many classes is a regression of as many squared weights, fitted six times: minutes, or hours.
        tried = {name: fit for name, fit in CALIBRATIONS.items() if name != PLATT or said.shape[1] <= FEW_CLASSES}
        left_out = {name: _left_out(said, target, block, fit) for name, fit in tried.items()}
        losses = {name: -np.log(worth[np.arange(len(target)), target]).mean() for name, worth in left_out.items()}
        self.method = min(losses, key=lambda name: float(losses[name]))
        self._calibrated = CALIBRATIONS[self.method](said, target)
        expected = expectations(said, left_out[self.method])
        came = {"log_loss": -np.log(said[np.arange(len(target)), target]), "accuracy": said.argmax(axis=1) == target}
        self._off = {name: _by_block(came[name] - expected[name], block) for name in came}

    def estimate(self, prediction: Floats, block: NDArray[Any]) -> Estimation:
        """What is to be expected of rows, labelled or not.

        The interval is for what will come: by how much whole blocks of the known rows missed what was expected of
        them, each counted once, with Student's quantile for as many blocks as the new rows have.

        Args:
            prediction: what the version says of them, shape (rows, outputs).
            block: what names each row's time block, shape (rows,).
        """
        from scipy.special import stdtrit  # scipy.stats imports ten times as long

        there = (
            np.isfinite(prediction.reshape(len(prediction), -1)).all(axis=1) if len(prediction) else np.zeros(0, bool)
        )
        if self.unable or not there.any():
            return Estimation((), self.unable or "no row has a prediction")
        said = probabilities(prediction[there])
        blocks = len(np.unique(block[there]))
        figures = []
        for name, expected in expectations(said, self._calibrated(said)).items():
            value, off, most = float(expected.mean()), self._off[name], 1.0 if name == "accuracy" else math.inf
            low = high = None
            if len(off) >= FEW_BLOCKS:
                reach = float(stdtrit(len(off) - 1, 0.5 + self._confidence / 2) * off.std(ddof=1))
                reach *= math.sqrt(1 / blocks + 1 / len(off))
                low, high = max(value - reach, 0.0), min(value + reach, most)
            figures.append(Estimated(name, value, low, high))
        words = f"expected by its own probabilities ({self.method})"
        return Estimation(tuple(figures), f"{words}: {_said(figures[0])}, {_said(figures[1])}")


def probabilities(prediction: Floats) -> Floats:
    """The probability of every class, shape (rows, classes): a binary one has two."""
    said = np.clip(prediction.reshape(len(prediction), -1).astype("float64"), SMALLEST, 1 - SMALLEST)
    if said.shape[1] == 1:
        return np.hstack([1 - said, said])
    return np.asarray(said / said.sum(axis=1, keepdims=True))


def expectations(said: Floats, worth: Floats) -> dict[str, Floats]:
    """Expected loss, and chance to be right, of each row: what it says, and what that is worth."""
    return {
        "log_loss": -(worth * np.log(said)).sum(axis=1),
        "accuracy": worth[np.arange(len(said)), said.argmax(axis=1)],
    }


def _unable(objective: Objective, known: Known) -> str:
    """Why nothing can be estimated; "" if it can."""
    if objective.class_count is None:
        return "cannot tell: a predicted number does not say how sure it is, so a regression has no estimate"
    there = (
        np.isfinite(known.prediction.reshape(len(known.target), -1)).all(axis=1) if len(known.target) else known.target
    )
    rows = int(np.sum(there))
    if rows < FEWEST:
        return f"cannot tell: {rows:,} held-out rows with label and prediction are known, {FEWEST:,} are needed"
    classes, counts = np.unique(known.target[there > 0], return_counts=True)
    if len(classes) < 2 or np.sort(counts)[-2] < FOLDS:
        return "cannot tell: the held-out rows are of one class, or as good as that"
    return ""


def _no_change(_said: Floats, _target: NDArray[np.int64]) -> Calibration:
    return lambda said: said


def _platt(said: Floats, target: NDArray[np.int64]) -> Calibration:
    """A logistic curve over what is said: Platt (1999); of several classes, one over all logarithms."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=100.0, max_iter=200).fit(_logits(said), target)
    return lambda said: _spread(model.predict_proba(_logits(said)), model.classes_, said.shape[1])


def _isotonic(said: Floats, target: NDArray[np.int64]) -> Calibration:
    """A curve that only rises, class by class: Zadrozny and Elkan (2002)."""
    from sklearn.isotonic import IsotonicRegression

    least = 1 / (2 * len(target))
    curves = [
        IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(said[:, place], target == place)
        for place in range(said.shape[1])
    ]

    def calibrated(said: Floats) -> Floats:
        worth = np.column_stack([curve.predict(said[:, place]) for place, curve in enumerate(curves)])
        return np.asarray(worth / worth.sum(axis=1, keepdims=True))

    return calibrated


CALIBRATIONS: dict[str, Callable[[Floats, NDArray[np.int64]], Calibration]] = {
    "as they are": _no_change,
    PLATT: _platt,
    "isotonic": _isotonic,
}


def _left_out(
    said: Floats, target: NDArray[np.int64], block: NDArray[np.intp], fit: Callable[..., Calibration]
) -> Floats:
    """What each row's probabilities are worth, calibrated without its block; without its fold, of too few blocks."""
    group = block if block.max(initial=0) + 1 >= FOLDS else np.arange(len(target))
    fold, worth = group % FOLDS, np.empty_like(said)
    for one in range(FOLDS):
        out = fold == one
        alone = len(np.unique(target[~out])) < 2  # nothing to calibrate by
        worth[out] = said[out] if alone else fit(said[~out], target[~out])(said[out])
    return np.clip(worth, SMALLEST, 1.0)


def _logits(said: Floats) -> Floats:
    logs = np.log(said)
    return np.asarray(logs[:, 1:] - logs[:, :1])


def _spread(found: Floats, classes: NDArray[np.int64], count: int) -> Floats:
    """Probabilities of the classes that were known, among all of them."""
    whole = np.full((len(found), count), SMALLEST)
    whole[:, classes] = found
    return np.asarray(whole / whole.sum(axis=1, keepdims=True))


def _by_block(values: Floats, block: NDArray[np.intp]) -> Floats:
    """The mean of each block."""
    return np.asarray(np.bincount(block, weights=values) / np.bincount(block))


def _said(figure: Estimated) -> str:
    between = f" ({figure.low:.4f} to {figure.high:.4f})" if figure.low is not None else ""
    return f"{figure.metric.replace('_', ' ')} {figure.value:.4f}{between}"
