"""Learning rates over a stage, as functions of the share of its steps that are done."""

from __future__ import annotations

import math

WARM_UP = 0.05
FLOOR = 0.05


def cosine(done: float, rate: float) -> float:
    """Warm up over the first twentieth of the steps, then fall along a cosine to a twentieth of the rate.

    Example:
        >>> [round(cosine(done, 1.0), 2) for done in (0.0, 0.05, 0.525, 1.0)]
        [0.05, 1.0, 0.53, 0.05]
    """
    if done < WARM_UP:
        return rate * (FLOOR + (1 - FLOOR) * done / WARM_UP)
    wave = (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2
    return rate * (FLOOR + (1 - FLOOR) * wave)


def constant(_done: float, rate: float) -> float:
    """The rate as it is; callbacks such as ReduceLROnPlateau may change it."""
    return rate
