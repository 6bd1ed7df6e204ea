"""How a model learns, as frozen values: pretraining, fine-tuning in stages, replay, learning from scratch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from errors import InvalidSpec
from learning.schedules import cosine

Schedule = Callable[[float, float], float]


def check(field_name: str, value: object, holds: bool, wanted: str) -> None:
    """Refuse a value that does not hold, and say what to choose; raises InvalidSpec."""
    if not holds:
        raise InvalidSpec(f"{field_name}={value!r}", "it cannot be used", f"choose {wanted}")


def _check_course(owner: str, course: Pretrain | Stage) -> None:
    """What pretraining and stages have in common."""
    check(f"{owner}.epochs", course.epochs, course.epochs >= 0, "0 or more")
    check(f"{owner}.patience", course.patience, course.patience >= 1, "1 or more")
    check(f"{owner}.batch_size", course.batch_size, course.batch_size >= 1, "1 or more")
    rate = course.learning_rate
    check(f"{owner}.learning_rate", rate, rate is None or 0 < rate < math.inf, "above 0")
    check(f"{owner}.schedule", course.schedule, hasattr(course.schedule, "__qualname__"), "a function")


def _check_validation(owner: str, plan: Pretrain | FineTune) -> None:
    """The rows held back."""
    check(f"{owner}.validation", plan.validation, 0 < plan.validation < 1, "between 0 and 1")
    check(f"{owner}.validation_rows", plan.validation_rows, plan.validation_rows >= 1, "1 or more")


@dataclass(frozen=True)
class Pretrain:
    """How version 1, or a challenger from scratch, learns base and head together.

    Args:
        epochs: most passes over the rows.
        learning_rate: the highest rate.
        schedule: (share of the steps that is done, learning_rate) to a rate.
        batch_size: rows in one gradient step.
        patience: epochs without a lower validation loss after which it stops, best weights back.
        validation: share of the training rows held back to choose the best epoch.
        validation_rows: most rows held back, whatever their share.
        sample_rows: rows given to `build_base`, spread over the history.
        optimizer: name of a Keras optimizer.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    schedule: Schedule = cosine
    batch_size: int = 256
    patience: int = 2
    validation: float = 0.1
    validation_rows: int = 10_000
    sample_rows: int = 50_000
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot train; raises InvalidSpec."""
        _check_course("Pretrain", self)
        check("Pretrain.sample_rows", self.sample_rows, self.sample_rows >= 1, "1 or more")
        _check_validation("Pretrain", self)


@dataclass(frozen=True)
class Stage:
    """One stage of fine-tuning: which layers learn, how fast, how long.

    When layers are thawed, let a stage of the head alone come first (linear probing, then fine-tuning: Kumar et
    al. 2022); an untrained head would otherwise tear the base's features apart.

    Args:
        name: shown in learning curves.
        thaw: names of base layers that learn too; () trains the head alone, on cached features.
        learning_rate: the highest rate; by default `learning_rate_scale` times the pretraining rate.
        learning_rate_scale: factor on the pretraining rate.
        schedule: (share of the steps that is done, learning_rate) to a rate; `constant` leaves the rate to
            callbacks.
        epochs: most passes over the new and replayed rows.
        patience: epochs without a lower validation loss after which the stage stops, best weights back.
        batch_size: rows in one gradient step.
        optimizer: name of a Keras optimizer; every stage starts a new one.
    """

    name: str = "head"
    thaw: tuple[str, ...] = ()
    learning_rate: float | None = None
    learning_rate_scale: float = 0.1
    schedule: Schedule = cosine
    epochs: int = 20
    patience: int = 3
    batch_size: int = 256
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot train; raises InvalidSpec."""
        check("Stage.name", self.name, bool(re.fullmatch(r"[a-z][a-z0-9_-]*", self.name)), "a lower-case word")
        _check_course("Stage", self)
        scale = self.learning_rate_scale
        check("Stage.learning_rate_scale", scale, 0 < scale <= 1, "above 0 and at most 1")

    def rate(self, pretrain: Pretrain) -> float:
        """The learning rate of this stage."""
        if self.learning_rate is None:
            return self.learning_rate_scale * pretrain.learning_rate
        return self.learning_rate


@dataclass(frozen=True)
class Replay:
    """How many old rows are mixed in with the new ones, and which.

    Args:
        share: old rows for each new row; 0 replays nothing.
        rows: old rows in all, instead of a share.
        balance: "eras" draws evenly from every past partition, "classes" from every value of the target.
    """

    share: float = 1.0
    rows: int | None = None
    balance: Literal["eras", "classes"] = "eras"

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn; raises InvalidSpec."""
        check("Replay.share", self.share, self.share >= 0, "0 or more")
        check("Replay.rows", self.rows, self.rows is None or self.rows >= 0, "0 or more")
        check("Replay.balance", self.balance, self.balance in ("eras", "classes"), '"eras" or "classes"')


@dataclass(frozen=True)
class FineTune:
    """How a champion becomes a challenger.

    Args:
        stages: one after the other.
        replay: old rows to mix in: what works best against forgetting, wherever old rows may be kept.
        distill: share of the loss that is against the champion's predictions instead of the labels; for when
            old rows may not be kept.
        anchor: strength of elastic weight consolidation on the head (EWC), from the replayed rows.
        shrink: factor on the head's weights before it learns; 1.0 starts from the champion's. A warm start that
            generalises no worse than a cold one (shrink and perturb: Ash and Adams 2020) takes about 0.5.
        perturb: share of freshly initialised weights added after shrinking.
        validation: share of the rows held back to choose the best epoch.
        validation_rows: most rows held back, whatever their share.
    """

    stages: tuple[Stage, ...] = (Stage(),)
    replay: Replay = Replay()
    distill: float = 0.0
    anchor: float = 0.0
    shrink: float = 1.0
    perturb: float = 0.0
    validation: float = 0.1
    validation_rows: int = 10_000

    def __post_init__(self) -> None:
        """Refuse a plan that contradicts itself; raises InvalidSpec."""
        names = [stage.name for stage in self.stages]
        check("FineTune.stages", names, len(names) > 0, "at least one Stage")
        check("FineTune.stages", names, len(set(names)) == len(names), "a name of its own for each")
        check("FineTune.distill", self.distill, 0 <= self.distill < 1, "0 or more and below 1")
        check("FineTune.anchor", self.anchor, self.anchor >= 0, "0 or more")
        check("FineTune.shrink", self.shrink, 0 < self.shrink <= 1, "above 0 and at most 1")
        check("FineTune.perturb", self.perturb, 0 <= self.perturb <= 1, "0 to 1")
        _check_validation("FineTune", self)


@dataclass(frozen=True)
class FromScratch:
    """A challenger that learns base and head anew from everything there is; it goes through the same gate.

    Args:
        pretrain: how; by default as version 1 did.
    """

    pretrain: Pretrain | None = None
