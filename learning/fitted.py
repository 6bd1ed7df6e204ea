"""What a training fits on the rows that it held back from itself, once its weights are chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learning.calibration import Calibration, calibrates, calibration, fold, obstacle
from learning.thresholds import Threshold, cost_of, threshold

if TYPE_CHECKING:
    import keras

    from learning.examples import Examples
    from learning.loop import Predict
    from learning.spec import ModelSpec

WARM_START = "warm_start"  # in a version's plan


@dataclass(frozen=True)
class Fitted:
    """What was fitted; a refit, which holds nothing back, takes what its proof did.

    Args:
        calibration: of the chances; it is in the head's weights.
        threshold: from which chance an alarm pays; None where the gate has no cost of two classes.
        warm_start: whether base and head began to learn with the champion's weights, in place of new ones.
    """

    calibration: Calibration = field(default_factory=Calibration)
    threshold: Threshold | None = None
    warm_start: bool = False

    @property
    def recorded(self) -> dict[str, Any]:
        """All of it as a version's plan has it, as far as there is any."""
        there = {"calibration": self.calibration, "threshold": self.threshold}
        found: dict[str, Any] = {name: asdict(one) for name, one in there.items() if one and one.remark}
        return found | ({WARM_START: True} if self.warm_start else {})

    @property
    def remark(self) -> str:
        """The end of the sentence that says how a training went."""
        words = self.calibration.remark, self.threshold.remark if self.threshold else ""
        return "".join(f"; {one}" for one in words if one)


def fit_held_back(
    spec: ModelSpec, head: keras.Model, examples: Examples | None, predict: Predict, *, learned: bool
) -> Fitted:
    """Put the chances of a head right, in its weights, and choose the threshold of the chances that then come of it.

    Args:
        spec: the model.
        head: as it was trained.
        examples: the rows that were held back; None where there are so few rows that all of them trained.
        predict: what is predicted of examples, with this head.
        learned: whether training changed anything; what stays as it was is not calibrated either.
    """
    cost, wanted, found = cost_of(spec.gate, spec.objective), learned and calibrates(spec, head), Calibration()
    if learned:
        found = replace(found, remark=obstacle(spec, head))
    if not (wanted or cost):
        return Fitted(found)
    if examples is None:
        found = replace(found, remark="not calibrated: all rows trained") if wanted else found
        return Fitted(found, threshold(cost, np.empty(0), np.empty(0)) if cost else None)
    prediction = predict(examples)
    if wanted:
        found = calibration(spec.objective, examples.target, prediction, examples.weight)
        fold(found, head)
    chance = found.of(prediction)[:, 0]
    return Fitted(found, threshold(cost, examples.target, chance, examples.weight) if cost else None)
