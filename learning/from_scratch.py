"""A challenger from scratch: base and head learn anew, with new weights or from the champion's on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from errors import TrainingError
from learning.files import ModelFiles, Trained
from learning.plans import FromScratch

TOLERATED = 0.1  # of what new weights gain on a constant: the champion's have seen more than the few rows that choose


def from_scratch(
    plan: FromScratch, champion: ModelFiles, anew: partial[Trained], work: Path, logs: Path | None
) -> Trained:
    """Train base and head anew, and once more from the champion's weights where the plan says so: one of both.

    Where nothing is held back, nobody could tell which. A refit begins as its proof did.

    Args:
        plan: says whether there is a choice.
        champion: whose weights one of them begins with.
        anew: pretraining on the rows of this run, as a proof or a refit; asks for a folder and a start.
        work: folder for checkpoints and new files.
        logs: TensorBoard's folder, if wanted.
    """
    if anew.keywords["refit"] is not None:
        fitted = anew.keywords["fitted"]
        return anew(work=work, logs=logs, start=champion if fitted and fitted.warm_start else None)
    cold = anew(work=work, logs=logs)
    if not plan.warm_start or cold.held_back is None:
        return cold
    try:
        warm = anew(work=work / "warm", logs=logs and logs / "warm", start=champion)
    except TrainingError as error:
        return replace(cold, reason=f"{cold.reason}; with the champion's weights to begin with, it failed: {error}")
    if warm.held_back is None:
        return cold
    new, begun, gain = cold.held_back.loss, warm.held_back.loss, cold.held_back.constant - cold.held_back.loss
    # Where no epoch was better than its beginning, it is the champion: no challenger, that may be a little worse.
    tolerated = TOLERATED * max(gain, 0.0) if any(warm.kept.values()) else 0.0
    if begun <= new + tolerated:
        return replace(warm, reason=f"{warm.reason}; it began with the champion's weights: with new ones, {new:.4f}")
    return replace(cold, reason=f"{cold.reason}; with the champion's weights to begin with, {begun:.4f}")
