"""How a model learns, as frozen values: pretraining, fine-tuning in stages, replay, learning from scratch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

from errors import InvalidSpec
from learning.schedules import cosine


@dataclass(frozen=True)
class Allowed:
    """What a field may be, as a test and in words."""

    holds: Callable[[Any], bool]
    wanted: str


Natural = Annotated[int, Allowed(lambda number: number >= 0, "0 or more")]
Count = Annotated[int, Allowed(lambda number: number >= 1, "1 or more")]
Strength = Annotated[float, Allowed(lambda number: number >= 0, "0 or more")]
Inside = Annotated[float, Allowed(lambda share: 0 < share < 1, "between 0 and 1")]
Factor = Annotated[float, Allowed(lambda factor: 0 < factor <= 1, "above 0 and at most 1")]
Word = Annotated[str, Allowed(re.compile(r"[a-z][a-z0-9_-]*").fullmatch, "a lower-case word")]
LENGTH = re.compile(r"([1-9]\d{0,5}[mhdw])?")
Span = Annotated[
    str,
    Allowed(
        lambda text: isinstance(text, str) and LENGTH.fullmatch(text), 'a length of time, as "1d", "6h", "30m", "1w"'
    ),
]
Rate = Allowed(lambda rate: rate is None or 0 < rate < math.inf, "above 0")
# A name by which the registry can record it.
Schedule = Annotated[
    Callable[[float, float], float], Allowed(lambda value: hasattr(value, "__qualname__"), "a function")
]


BALANCED = "balanced"
ClassWeight = Mapping[Any, float] | Literal["balanced"] | None


def _weighs(value: Any) -> bool:
    """Whether a value may say how much classes count."""
    if not isinstance(value, Mapping):
        return value in (None, BALANCED)
    numbers = [isinstance(one, int | float) and 0 < one < math.inf for one in value.values()]
    return bool(numbers) and all(numbers)


Weights = Annotated[ClassWeight, Allowed(_weighs, '"balanced", or class to weight above 0, as {"fraud": 50}')]


def check(field_name: str, value: object, holds: object, wanted: str) -> None:
    """Refuse a value that does not hold, and say what to choose; raises InvalidSpec."""
    if not holds:
        raise InvalidSpec(f"{field_name}={value!r}", "it cannot be used", f"choose {wanted}")


def span(length: str) -> timedelta | None:
    """A length of time as plans write it; None for "".

    Example:
        >>> span("30d"), span("")
        (datetime.timedelta(days=30), None)
    """
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    return timedelta(**{units[length[-1]]: int(length[:-1])}) if length else None


class Checked:
    """Values that are refused where they are written: the type of a field carries its rule."""

    def __post_init__(self) -> None:
        """Refuse a value that breaks its field's rule; raises InvalidSpec."""
        for name, kind in get_type_hints(type(self), include_extras=True).items():
            for rule in getattr(kind, "__metadata__", ()):
                value = getattr(self, name)
                check(f"{type(self).__name__}.{name}", value, rule.holds(value), rule.wanted)


@dataclass(frozen=True)
class Pretrain(Checked):
    """How version 1, or a challenger from scratch, learns base and head together.

    Args:
        epochs: most passes over the rows.
        learning_rate: the highest rate.
        schedule: (share of the steps that is done, learning_rate) to a rate.
        batch_size: rows in one gradient step.
        steps: least gradient steps of an epoch: where the rows give fewer, it passes over them several times.
        more: most further epochs, at the last rate, while each still lowers the validation loss.
        patience: epochs without a lower validation loss after which it stops, best weights back.
        validation: share of the training rows held back to choose the best epoch.
        validation_rows: most rows held back, whatever their share.
        sample_rows: rows given to `build_base`, spread over the history.
        optimizer: name of a Keras optimizer.
        class_weight: how much rows of each class count in a gradient step, as {"fraud": 50}, or "balanced": every class
            the same in all. Chances stay those of the world as it is.
    """

    name: ClassVar[str] = "pretrain"  # in learning curves
    epochs: Natural = 10
    learning_rate: Annotated[float, Rate] = 1e-3
    schedule: Schedule = cosine
    batch_size: Count = 256
    steps: Count = 1
    more: Natural = 0
    patience: Count = 2
    validation: Inside = 0.1
    validation_rows: Count = 10_000
    sample_rows: Count = 50_000
    optimizer: str = "adam"
    class_weight: Weights = None


@dataclass(frozen=True)
class Stage(Checked):
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
        steps: least gradient steps of an epoch: where the rows give fewer, it passes over them several times.
        more: most further epochs, at the last rate, while each still lowers the validation loss.
        optimizer: name of a Keras optimizer; every stage starts a new one.
        lora_rank: rank of adapters beside the weights of Dense, EinsumDense and Embedding layers, thawed ones or else
            those of the head: the adapters learn in their place, and are merged into them in the end.
        ema: momentum of averaged weights, as 0.99: the mean over the steps, of which newer ones count more; they are
            what is validated, and what is kept.
    """

    name: Word = "head"
    thaw: tuple[str, ...] = ()
    learning_rate: Annotated[float | None, Rate] = None
    learning_rate_scale: Factor = 0.1
    schedule: Schedule = cosine
    epochs: Natural = 20
    patience: Count = 3
    batch_size: Count = 256
    steps: Count = 1
    more: Natural = 0
    optimizer: str = "adam"
    lora_rank: Annotated[int | None, Allowed(lambda rank: rank is None or rank >= 1, "1 or more")] = None
    ema: Annotated[float | None, Allowed(lambda share: share is None or 0 < share < 1, "between 0 and 1")] = None
    class_weight: Weights = None

    def rate(self, pretrain: Pretrain) -> float:
        """The learning rate of this stage."""
        if self.learning_rate is None:
            return self.learning_rate_scale * pretrain.learning_rate
        return self.learning_rate


@dataclass(frozen=True)
class Replay(Checked):
    """How many old rows are mixed in with the new ones, and which.

    Args:
        share: old rows for each new row; 0 replays nothing.
        rows: old rows in all, instead of a share.
        balance: "eras" draws evenly from every past partition, "classes" from every value of the target.
        recent: share of the replayed rows that are drawn from the newest of the past, four times as many as the new
            rows; the others are drawn from all of it.
    """

    share: Strength = 1.0
    rows: Annotated[int | None, Allowed(lambda rows: rows is None or rows >= 0, "0 or more")] = None
    balance: Annotated[Literal["eras", "classes"], Allowed(("eras", "classes").__contains__, '"eras" or "classes"')] = (
        "eras"
    )
    recent: Annotated[float, Allowed(lambda share: 0 <= share <= 1, "a share, from 0 to 1")] = 0.5


@dataclass(frozen=True)
class FineTune(Checked):
    """How a champion becomes a challenger.

    Args:
        stages: one after the other.
        replay: old rows to mix in: what works best against forgetting, wherever old rows may be kept.
        distill: share of the loss that is against the champion's predictions instead of the labels; for when
            old rows may not be kept.
        anchor: strength of elastic weight consolidation (EWC): what replayed rows show to matter moves less; where
            nothing is replayed, old rows are looked at for that alone.
        shrink: factor on the head's weights before it learns; 1.0 starts from the champion's. A warm start that
            generalises no worse than a cold one (shrink and perturb: Ash and Adams 2020) takes about 0.5.
        perturb: share of freshly initialised weights added after shrinking.
        validation: share of the rows held back to choose the best epoch.
        validation_rows: most rows held back, whatever their share.
        readapt: let what the base adapted to follow the rows: look-ups get the words that are new, numbers are scaled
            as they are now, and a last stage lets what lies behind learn it. A new base comes out.
    """

    stages: tuple[Stage, ...] = (Stage(),)
    replay: Replay = Replay()
    distill: Annotated[float, Allowed(lambda share: 0 <= share < 1, "0 or more and below 1")] = 0.0
    anchor: Strength = 0.0
    shrink: Factor = 1.0
    perturb: Annotated[float, Allowed(lambda share: 0 <= share <= 1, "0 to 1")] = 0.0
    validation: Inside = 0.1
    validation_rows: Count = 10_000
    readapt: bool = False

    def __post_init__(self) -> None:
        """Refuse a plan that contradicts itself; raises InvalidSpec."""
        super().__post_init__()
        names = [stage.name for stage in self.stages]
        check("FineTune.stages", names, len(names) > 0, "at least one Stage")
        check("FineTune.stages", names, len(set(names)) == len(names), "a name of its own for each")
        both = self.readapt and self.distill > 0
        check("FineTune.distill", self.distill, not both, "0 with readapt: the champion takes other features")


@dataclass(frozen=True)
class FromScratch:
    """A challenger that learns base and head anew from everything there is; it goes through the same gate.

    Args:
        pretrain: how; by default as version 1 did.
        warm_start: learn a second one, that begins with the champion's weights, and keep it unless new weights are
            clearly better on the rows held back. New ones may generalise better (Ash and Adams 2020), and take more
            rows.
    """

    pretrain: Pretrain | None = None
    warm_start: bool = False
