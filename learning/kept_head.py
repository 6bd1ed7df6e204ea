"""The head that a fine-tuning begins with, and its graphs: a refit takes over those of its proof.

So does the next fine-tuning in the same process, of a champion whose head is alike, with the weights of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from learning.checkpoint import Arrays, assign, values_of
from learning.steps import Steps

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class KeptHead:
    """A head, and what training it again takes.

    Args:
        key: all that its beginning depends on.
        graphs: all that its graphs depend on; None of a head whose graphs are good for no other.
        model: the head.
        beginning: values of all its variables before it was trained.
        steps: stage to optimizer and graph.
    """

    key: object
    graphs: object
    model: keras.Model
    beginning: Arrays
    steps: dict[str, Steps] = field(default_factory=dict)


_newest: list[KeptHead] = []  # at most one, and none while it learns


def take_head(key: object, make: Callable[[], keras.Model], graphs_of: Callable[[keras.Model], object]) -> KeptHead:
    """The head that was given back, as it began, or with the weights of a new one that is alike; else a new one.

    To trace its gradient steps again would take half of a refit of five weeks.

    Args:
        key: all that the head's beginning depends on.
        make: gives it.
        graphs_of: all that the graphs of a new one depend on; None where they depend on more.
    """
    kept = _newest.pop() if _newest else None
    if kept is not None and kept.key == key:
        assign(kept.model.variables, kept.beginning)
        return kept
    model = make()
    graphs, beginning = graphs_of(model), values_of(model.variables)
    if kept is None or graphs is None or kept.graphs != graphs:
        return KeptHead(key, graphs, model, beginning)
    assign(kept.model.variables, beginning)
    return replace(kept, key=key, beginning=beginning)


def give_back(kept: KeptHead) -> None:
    """Keep a head for its refit; one whose training failed is left to be forgotten."""
    _newest[:] = [kept]


def shrink_and_perturb(head: keras.Model, shrink: float, perturb: float) -> None:
    """Weights times `shrink`, plus `perturb` times those of a head that was just born."""
    import keras

    newborn = keras.models.clone_model(head)
    for weight, fresh in zip(head.trainable_weights, newborn.trainable_weights, strict=True):
        weight.assign(shrink * weight.numpy() + perturb * fresh.numpy())
