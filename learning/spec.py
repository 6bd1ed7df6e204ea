"""What a user writes to bring a model: a ModelSpec and its parts, frozen values that cost nothing to import."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from errors import InvalidSpec, valid_name
from learning.objectives import Binary, Multiclass, Objective, Regression
from learning.plans import (
    LENGTH,
    Checked,
    Count,
    FineTune,
    FromScratch,
    Inside,
    Natural,
    Pretrain,
    Replay,
    Rule,
    Span,
    Stage,
    Strength,
    check,
    span,
)
from learning.source import Source, one_of

if TYPE_CHECKING:
    import keras
    import numpy as np

    Columns = dict[str, np.ndarray]
    BuildBase = Callable[[Columns], keras.Model]
    BuildHead = Callable[[tuple[int, ...]], keras.Model]

__all__ = [
    "Binary",
    "DriftPolicy",
    "FineTune",
    "FromScratch",
    "Gate",
    "ModelSpec",
    "Multiclass",
    "Pretrain",
    "Regression",
    "Replay",
    "RetrainPolicy",
    "Schema",
    "Source",
    "Stage",
]


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
        holdout: share of entities that no version ever trains on, 0 < holdout < 1.
        block: length of a time block, as "1d", "6h" or "1w". Rows of one block share their weather, so that to the
            gate they are one observation, not many; "" where time says nothing.
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
    block: str = "1d"

    def __post_init__(self) -> None:
        """Refuse a schema that contradicts itself.

        Raises:
            InvalidSpec: no inputs, a column in two kinds, the target as an input, a name that cannot be a column's,
                or a rule about no input.
        """
        inputs = [*self.numeric, *self.categorical, *self.tensors]
        repeated = sorted({name for name in inputs if inputs.count(name) > 1})
        if not inputs:
            raise InvalidSpec("a Schema", "it has no input columns", "name some in numeric, categorical or tensors")
        if repeated:
            raise InvalidSpec(f"columns {repeated}", "they are inputs twice", "name each in one kind only")
        if self.target in inputs:
            raise InvalidSpec(f"target '{self.target}'", "it is an input too", "remove it from the inputs")
        refused = sorted(name for name in self.columns if name == "holdout" or "/" in name)
        if refused:
            why = "Evergreen marks held-out rows in 'holdout', and Keras takes no '/' in the name of an input"
            raise InvalidSpec(f"columns {refused}", why, "rename them before they land")
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
        if not re.fullmatch(LENGTH, self.block):
            raise InvalidSpec(f"block {self.block!r}", "it is no length of time", 'write "1d", "6h", "30m", "1w" or ""')

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the base takes, in a fixed order."""
        return (*self.numeric, *self.categorical, *self.tensors)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that an arriving row must have, without repeats."""
        return tuple(dict.fromkeys((self.time, *self.key, *self.entity, *self.inputs, self.target)))


ReferenceName = Literal["champion", "previous", "season"]


@dataclass(frozen=True)
class DriftPolicy(Checked):
    """When the arrived rows count as drifted away from what the champion learned from.

    A check says drift when the target or the predictions drifted, or a large enough share of the other columns. That a
    column is broken is told whatever its share.

    Beside these columns, what the champion says of the rows is compared; of a model with tensors or free text, also
    what its base makes of them.

    Args:
        columns: columns compared; by default every input that is no tensor, and the target.
        alpha: chance that a check of undrifted data calls any column drifted, at least 0.001.
        min_effect: smallest distance worth calling drift, however many rows prove it
            (normed Wasserstein for numbers, Jensen-Shannon for categories).
        min_share: smallest share of rows without a value, more or fewer than there were, or with a category never seen
            before, that is worth calling drift.
        share: share of drifted columns from which the whole check says drift; weighed by how much the champion uses
            each, where that is known.
        max_rows: rows sampled from each window.
        reference: what arrived is compared with the rows that the "champion" learned from, with those that arrived just
            before ("previous"), or with those of the same time one "season" before, where there are any.
        season: length of a season, as "52w" or "7d".
        stop_when_broken: end the run before it trains where a column is broken, so far off that no world moves like
            that.
    """

    columns: tuple[str, ...] = ()
    alpha: Annotated[float, Rule(lambda chance: 0.001 <= chance < 1, "a chance of at least 0.001 and below 1")] = 0.05
    min_effect: Strength = 0.1
    min_share: Strength = 0.005
    share: Annotated[float, Rule(lambda share: 0 < share <= 1, "a share above 0 and at most 1")] = 0.3
    max_rows: Count = 20_000
    reference: Annotated[ReferenceName, one_of("champion", "previous", "season")] = "champion"
    season: Annotated[str, Rule(re.compile(r"[1-9]\d{0,5}[mhdw]").fullmatch, 'a length of time, as "52w"')] = "52w"
    stop_when_broken: bool = True


Escalation = Literal["recent replay", "thaw", "from scratch"]
ESCALATIONS = ("recent replay", "thaw", "from scratch")
Ladder = Rule(lambda words: set(words) <= set(ESCALATIONS), f"some of {', '.join(ESCALATIONS)}")


RetrainReason = Literal["rows", "performance", "drift"]
RETRAIN_REASONS = ("rows", "performance", "drift")
Reasons = Rule(lambda words: set(words) <= set(RETRAIN_REASONS), f"some of {', '.join(RETRAIN_REASONS)}")


@dataclass(frozen=True)
class RetrainPolicy(Checked):
    """When a retrain is worth it, and what is tried when challengers stay stuck.

    Any one of the reasons is enough. Whatever the reason, the pending rows must be enough for the gate to judge a
    challenger; what is less waits.

    Args:
        when: "rows": enough of them are pending; "performance": the champion's loss broke its limit, or gives a
            warning; "drift": what arrived has drifted.
        every: most time without a retrain, as in "30d": then whatever is pending is learned.
        min_rows: pending labelled rows that are enough for the reason "rows": new ones, after a refused challenger.
        cooldown: least time since the last retrain ended, as in "1d", for every reason.
        escalate: what the next challengers are trained with, one after the other, when several in a row were better
            on what is new and yet refused: "recent replay" of new rows only, "thaw" the base, learn "from scratch".
    """

    when: Annotated[tuple[RetrainReason, ...], Reasons] = ("rows",)
    every: Span = ""
    min_rows: Natural = 500
    cooldown: Span = ""
    escalate: Annotated[tuple[Escalation, ...], Ladder] = ("recent replay",)

    def __post_init__(self) -> None:
        """Refuse a policy that never retrains; raises InvalidSpec."""
        super().__post_init__()
        check("RetrainPolicy.when", self.when, self.when or self.every, 'a reason, or give `every`, as in "30d"')

    @property
    def longest(self) -> timedelta | None:
        """`every` as a time; None for no limit."""
        return span(self.every)

    @property
    def shortest(self) -> timedelta | None:
        """`cooldown` as a time; None for none."""
        return span(self.cooldown)


@dataclass(frozen=True)
class Gate(Checked):
    """What a challenger must show to take the champion's place.

    Args:
        rule: "better": better so far on the proving window, and watched afterwards; "proven": shown better by a test
            that goes on from run to run; "not worse": not shown worse, to follow the world at any price.
        prove_on: share of the pending rows, the newest, that prove a challenger: whole time blocks, at least one.
        min_gain: least relative reduction of the mean loss that is worth a change of production.
        max_forgetting: largest relative rise of the mean loss accepted on a past era or a slice.
        confidence: of the intervals, and of the tests.
        min_rows: rows below which a dataset is shown and said to prove nothing.
        min_events: the same for events: rows of the rarer outcome of a classification.
        eras: past eras that the champion's history is divided into.
        slices: categorical columns whose every value is judged by itself.
        watch: time blocks after a promotion during which a version that is shown to be worse than its predecessor is
            rolled back; 0 never does.
    """

    rule: Annotated[Literal["better", "proven", "not worse"], one_of("better", "proven", "not worse")] = "better"
    prove_on: Inside = 0.25
    min_gain: Annotated[float, Rule(lambda share: -1 < share < 1, "a share, as in 0.01")] = 0.002
    max_forgetting: Strength = 0.05
    confidence: Annotated[float, Rule(lambda share: 0 < share < 1, "a share between 0 and 1, as in 0.9")] = 0.9
    min_rows: Count = 50
    min_events: Natural = 20
    eras: Count = 3
    slices: tuple[str, ...] = ()
    watch: Natural = 7


@dataclass(frozen=True)
class ModelSpec:
    """A model that Evergreen keeps fresh. A version of it is `head(base(row))`.

    Args:
        name: lower-case letters, digits, - and _, a letter first; the file models/NAME.py defines it as `spec`.
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
    pretrain: Pretrain = field(default_factory=Pretrain)
    finetune: FineTune | FromScratch = field(default_factory=FineTune)
    drift: DriftPolicy = DriftPolicy()
    retrain: RetrainPolicy = RetrainPolicy()
    gate: Gate = Gate()
    augment: BuildBase | None = None
    callbacks: Callable[[], list[Any]] | None = None

    def __post_init__(self) -> None:
        """Refuse a name that could not be a file, and policies about columns that are not there.

        Raises:
            InvalidName: the name breaks the rule that `errors.valid_name` states.
            InvalidSpec: a policy names a column that the schema does not have.
        """
        valid_name(self.name)
        schema = self.schema
        known = {
            "drift.columns": (self.drift.columns, (*schema.numeric, *schema.categorical, schema.target)),
            "gate.slices": (self.gate.slices, schema.categorical),
        }
        for where, (named, there) in known.items():
            strangers = sorted(set(named) - set(there))
            if strangers:
                raise InvalidSpec(f"{where}: {strangers}", "the schema has none such", f"choose from {sorted(there)}")
