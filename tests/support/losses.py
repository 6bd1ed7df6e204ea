"""Live losses as tests make them up: quiet, or with a break."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring.chart import LiveLoss

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def track(
    losses: Sequence[float] | NDArray[np.floating],
    *,
    blocks: int = 7,
    apart: timedelta = DAY,
    versions: Sequence[int] | None = None,
) -> list[LiveLoss]:
    """A block for each loss, so many of them an arrival."""
    served = versions or [1] * len(losses)
    return [
        LiveLoss(START + n * apart, f"arrival {n // blocks}", 900, float(loss), served[n])
        for n, loss in enumerate(losses)
    ]


def quiet(kind: str, draw: np.random.Generator, count: int) -> NDArray[np.floating]:
    """Losses around 0.5 of a world that does not change.

    Args:
        kind: "normal" (they vary by a tenth), "alike" (the same, neighbours correlated by 0.5), "student" (5 degrees of
            freedom), "lognormal" (by 30 %), or "weekdays" (a pattern of 7 blocks, and half the noise).
        draw: gives them.
        count: how many.
    """
    noise = draw.normal(0, 1, count)
    if kind == "alike":
        for n in range(1, count):
            noise[n] = 0.5 * noise[n - 1] + np.sqrt(0.75) * noise[n]
    if kind == "student":
        noise = np.maximum(draw.standard_t(5, count) / np.sqrt(5 / 3), -9)
    if kind == "lognormal":
        return np.asarray(0.5 * np.exp(0.3 * noise))
    if kind == "weekdays":
        return np.asarray(0.5 * (1 + 0.05 * noise) * (1 + 0.2 * np.sin(2 * np.pi * np.arange(count) / 7)))
    return np.asarray(0.5 * (1 + 0.1 * noise))
