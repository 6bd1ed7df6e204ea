"""Live losses as tests make them up: quiet, or with a break."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import Rare
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


def rare_year(
    draw: np.random.Generator, rows: int, rate: float, *, overstated: float = 1.2, turned: int = 52
) -> tuple[list[LiveLoss], dict[str, float]]:
    """A year of weekly arrivals whose target is rarely 1, and those on which a constant was better, with its loss.

    The version ranks rows well and overstates all chances; from the week `turned` on it gives them to the wrong rows.

    Args:
        draw: gives rows.
        rows: of a day.
        rate: how often the target is 1, about.
        overstated: by how much.
        turned: the week.
    """
    chance = 1 / (1 + np.exp(1.1 - np.log(rate) - draw.normal(0, 1.5, (52, 7, rows))))
    said = np.minimum(overstated * chance, 0.99)
    said[turned:] = draw.permuted(said[turned:], axis=2)
    late, usual = draw.random(chance.shape) < chance, chance.mean()
    losses, constant = (
        -np.where(late, np.log(one), np.log1p(-one)).mean(axis=2) for one in (said, np.full(chance.shape, usual))
    )
    lived = [
        LiveLoss(START + n * DAY, f"arrival {n // 7}", rows, float(loss), 1, Rare(int(came), float(expected)))
        for n, (loss, came, expected) in enumerate(
            zip(losses.ravel(), late.sum(axis=2).ravel(), said.sum(axis=2).ravel(), strict=True)
        )
    ]
    means = zip(losses.mean(axis=1), constant.mean(axis=1), strict=True)
    return lived, {f"arrival {week}": float(known) for week, (lost, known) in enumerate(means) if lost > known}
