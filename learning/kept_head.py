"""The head that a fine-tuning begins with, and its graphs: a refit takes over those of its proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from learning.checkpoint import Arrays, assign, values_of
from learning.steps import Steps

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class KeptHead:
    """A head, and what training it again takes.

    Args:
        key: all that its beginning and its graphs depend on.
        model: the head.
        beginning: values of all its variables before it was trained.
        steps: stage to optimizer and graph.
    """

    key: object
    model: keras.Model
    beginning: Arrays
    steps: dict[str, Steps] = field(default_factory=dict)


_newest: list[KeptHead] = []  # at most one, and none while it learns


def take_head(key: object, make: Callable[[], keras.Model]) -> KeptHead:
    """The head that was given back, if it is this one, as it began; else a new one.

    To trace its gradient steps again would take half of a refit of five weeks.
    """
    kept = _newest.pop() if _newest else None
    if kept is None or kept.key != key:
        model = make()
        return KeptHead(key, model, values_of(model.variables))
    assign(kept.model.variables, kept.beginning)
    return kept


def give_back(kept: KeptHead) -> None:
    """Keep a head for its refit; one whose training failed is left to be forgotten."""
    _newest[:] = [kept]


def shrink_and_perturb(head: keras.Model, shrink: float, perturb: float) -> None:
    """Weights times `shrink`, plus `perturb` times those of a head that was just born."""
    import keras

    newborn = keras.models.clone_model(head)
    for weight, fresh in zip(head.trainable_weights, newborn.trainable_weights, strict=True):
        weight.assign(shrink * weight.numpy() + perturb * fresh.numpy())
