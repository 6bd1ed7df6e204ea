"""What a user writes to bring a model: a ModelSpec and its parts, frozen values that cost nothing to import."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from errors import InvalidSpec
from models.objectives import Objective
from models.training.schedules import cosine

Schedule = Callable[[float, float], float]

if TYPE_CHECKING:
    import keras
    import numpy as np

    Columns = dict[str, np.ndarray]
    BuildBase = Callable[[Columns], keras.Model]
    BuildHead = Callable[[tuple[int, ...]], keras.Model]


@dataclass(frozen=True)
class Schema:
    """The columns of one row, as they arrive and as the base takes them.

    Args:
        time: column of the row's event time.
        key: columns that together name one row; a second row with the same key is a duplicate.
        target: column of the label. It may be null for as long as the label is not known.
        numeric: columns given to the base as float32, shape (rows, 1).
        categorical: columns given to the base as strings, shape (rows, 1); integers are written out.
        tensors: fixed-shape list columns, name to shape, given to the base as float32 (rows, *shape).
        entity: columns whose hash decides the holdout, so that all rows of one patient or card fall on the
            same side. By default the key.
        nullable: inputs that may be null; NaN for numeric ones, the empty string for categorical ones.
        ranges: smallest and largest value allowed in a numeric column.
        allowed: the values allowed in a categorical column.
        holdout: share of entities set aside for ever, 0 < holdout < 1.
    """

    time: str
    key: tuple[str, ...]
    target: str
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    tensors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    entity: tuple[str, ...] = ()
    nullable: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    holdout: float = 0.2

    def __post_init__(self) -> None:
        """Refuse a schema that contradicts itself.

        Raises:
            InvalidSpec: no inputs, a column in two kinds, the target as an input, or a rule about no input.
        """
        inputs = [*self.numeric, *self.categorical, *self.tensors]
        repeated = sorted({name for name in inputs if inputs.count(name) > 1})
        if not inputs:
            raise InvalidSpec("a Schema", "it has no input columns", "name some in numeric, categorical or tensors")
        if repeated:
            raise InvalidSpec(f"columns {repeated}", "they are inputs twice", "name each in one kind only")
        if self.target in inputs:
            raise InvalidSpec(f"target '{self.target}'", "it is an input too", "remove it from the inputs")
        if not self.key:
            raise InvalidSpec("a Schema", "it has no key", "name the columns that together identify one row")
        for rule, names in {
            "nullable": self.nullable,
            "ranges": self.ranges,
            "allowed": self.allowed,
        }.items():
            strangers = sorted(set(names) - set(inputs))
            if strangers:
                raise InvalidSpec(f"{rule} for {strangers}", "they are no inputs", f"choose from {sorted(inputs)}")
        if not 0 < self.holdout < 1:
            raise InvalidSpec(f"holdout {self.holdout}", "it is a share", "use a number between 0 and 1")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the base takes, in a fixed order."""
        return (*self.numeric, *self.categorical, *self.tensors)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that an arriving row must have, without repeats."""
        return tuple(dict.fromkeys((self.time, *self.key, *self.entity, *self.inputs, self.target)))


@dataclass(frozen=True)
class Source:
    """Where rows arrive.

    Args:
        path: folder, file or glob, relative to the landing setting, or any fsspec URL.
        max_bad_share: share of bad rows in one run above which the run stops before training.
    """

    path: str
    max_bad_share: float = 0.1


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
        sample_rows: rows given to `build_base`, spread over the history.
        optimizer: name of a Keras optimizer.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    schedule: Schedule = cosine
    batch_size: int = 256
    patience: int = 2
    validation: float = 0.1
    sample_rows: int = 50_000
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot train; raises InvalidSpec."""
        _check_course("Pretrain", self)
        _check("Pretrain.sample_rows", self.sample_rows, self.sample_rows >= 1, "1 or more")
        _check("Pretrain.validation", self.validation, 0 < self.validation < 1, "between 0 and 1")


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
        _check("Stage.name", self.name, bool(re.fullmatch(r"[a-z][a-z0-9_-]*", self.name)), "a lower-case word")
        _check_course("Stage", self)
        scale = self.learning_rate_scale
        _check("Stage.learning_rate_scale", scale, 0 < scale <= 1, "above 0 and at most 1")

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
        _check("Replay.share", self.share, self.share >= 0, "0 or more")
        _check("Replay.rows", self.rows, self.rows is None or self.rows >= 0, "0 or more")
        _check("Replay.balance", self.balance, self.balance in ("eras", "classes"), '"eras" or "classes"')


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
    """

    stages: tuple[Stage, ...] = (Stage(),)
    replay: Replay = Replay()
    distill: float = 0.0
    anchor: float = 0.0
    shrink: float = 1.0
    perturb: float = 0.0
    validation: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a plan that contradicts itself; raises InvalidSpec."""
        names = [stage.name for stage in self.stages]
        _check("FineTune.stages", names, len(names) > 0, "at least one Stage")
        _check("FineTune.stages", names, len(set(names)) == len(names), "a name of its own for each")
        _check("FineTune.distill", self.distill, 0 <= self.distill < 1, "0 or more and below 1")
        _check("FineTune.anchor", self.anchor, self.anchor >= 0, "0 or more")
        _check("FineTune.shrink", self.shrink, 0 < self.shrink <= 1, "above 0 and at most 1")
        _check("FineTune.perturb", self.perturb, 0 <= self.perturb <= 1, "0 to 1")
        _check("FineTune.validation", self.validation, 0 < self.validation < 1, "between 0 and 1")


@dataclass(frozen=True)
class FromScratch:
    """A challenger that learns base and head anew from everything there is; it goes through the same gate.

    Args:
        pretrain: how; by default as version 1 did.
    """

    pretrain: Pretrain | None = None


def _check(field_name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise InvalidSpec(f"{field_name}={value!r}", "training cannot use it", f"choose {wanted}")


def _check_course(owner: str, course: Pretrain | Stage) -> None:
    """What pretraining and stages have in common."""
    _check(f"{owner}.epochs", course.epochs, course.epochs >= 0, "0 or more")
    _check(f"{owner}.patience", course.patience, course.patience >= 1, "1 or more")
    _check(f"{owner}.batch_size", course.batch_size, course.batch_size >= 1, "1 or more")
    rate = course.learning_rate
    _check(f"{owner}.learning_rate", rate, rate is None or 0 < rate < math.inf, "above 0")
    _check(f"{owner}.schedule", course.schedule, callable(course.schedule), "a function")


@dataclass(frozen=True)
class DriftPolicy:
    """When the arrived rows count as drifted away from what the champion learned from.

    Args:
        columns: columns compared; by default every input that is no tensor, and the target.
        alpha: chance that a check of undrifted data calls any column drifted.
        min_effect: smallest distance worth calling drift, however many rows prove it
            (normed Wasserstein for numbers, Jensen-Shannon for categories).
        share: share of drifted columns from which the whole check says drift.
        max_rows: rows sampled from each window.
    """

    columns: tuple[str, ...] = ()
    alpha: float = 0.05
    min_effect: float = 0.1
    share: float = 0.3
    max_rows: int = 5_000


@dataclass(frozen=True)
class RetrainPolicy:
    """When pending data is worth a retrain.

    Args:
        min_rows: pending labelled rows below which the run waits for more.
        only_on_drift: wait for drift even when there are enough rows.
    """

    min_rows: int = 500
    only_on_drift: bool = False


@dataclass(frozen=True)
class Gate:
    """What a challenger must show on holdout rows to take the champion's place.

    Args:
        min_gain: least relative reduction of the mean loss on the newest era.
        max_forgetting: largest relative rise of the mean loss accepted on a past era or a slice.
        confidence: of the intervals; a verdict is never a bare point estimate.
        min_rows: holdout rows below which a dataset is shown but gives no verdict.
        eras: past eras that the champion's history is divided into.
        slices: categorical columns whose every value is judged by itself.
    """

    min_gain: float = 0.0
    max_forgetting: float = 0.02
    confidence: float = 0.9
    min_rows: int = 200
    eras: int = 3
    slices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSpec:
    """A model that Evergreen keeps fresh. A version of it is `head(base(row))`.

    Args:
        name: lower-case letters, digits, - and _; the file models/NAME.py defines it as `spec`.
        schema: the columns of a row.
        objective: Binary(), Multiclass(n) or Regression().
        source: where rows arrive.
        build_base: from a sample of training rows (name to array) to a Keras model that takes a dict of raw
            columns and gives features, preprocessing layers inside.
        build_head: from the shape of one row's features to a Keras model that gives predictions.
        pretrain: how version 1 learns.
        finetune: how challengers learn: from the champion, or from scratch.
        augment: from a sample to a Keras model that takes and gives a dict of raw columns; training rows pass
            through it anew in every epoch, so that nothing is trained on cached features.
        callbacks: a function that gives more Keras callbacks for every stage.
    """

    name: str
    schema: Schema
    objective: Objective
    source: Source
    build_base: BuildBase
    build_head: BuildHead
    pretrain: Pretrain = Pretrain()
    finetune: FineTune | FromScratch = FineTune()
    drift: DriftPolicy = DriftPolicy()
    retrain: RetrainPolicy = RetrainPolicy()
    gate: Gate = Gate()
    augment: BuildBase | None = None
    callbacks: Callable[[], list[Any]] | None = None
