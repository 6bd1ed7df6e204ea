"""The columns of a model's rows, as they arrive and as its base takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

from errors import InvalidSpec
from learning.plans import LENGTH
from learning.window import MASK, PLACE, Window, kept_window, refuse_window, window_kinds

if TYPE_CHECKING:
    import polars as pl

    from learning.media import Media
    from learning.objectives import Objective


ARRIVED = "arrived"  # the column of a partition that holds when its rows arrived, where they bring no time
ARRIVAL = "arrival"  # the block of rows that arrived together
UNSAID = "unsaid"
TEXT_BYTES = 4096  # memory that a free text takes, as far as anybody can tell beforehand


@dataclass(frozen=True)
class Schema:
    """The columns of one row, as they arrive and as the base takes them.

    Args:
        time: column of the row's event time. None where rows bring none: then it is when their file was written, or
            when a query was read, and rows that arrived together are one block.
        key: columns that together name one row; a second row with the same key is a duplicate.
        target: column of the label. It may be null for as long as the label is not known.
        numeric: columns given to the base as float32, shape (rows, 1).
        categorical: columns given to the base as strings, shape (rows, 1); integers are written out.
        tensors: fixed-shape list columns, name to shape, given to the base as float32 (rows, *shape).
        entity: columns whose hash decides the holdout, so that all rows of one patient or card fall on the
            same side. By default the key.
        nullable: inputs that may be null; NaN for numeric ones, the empty string for others.
        ranges: smallest and largest value allowed in a numeric column.
        allowed: the values allowed in a categorical column.
        text: columns of free text, given to the base as strings, shape (rows, 1), like categories. No value of them is
            expected to come again: a drift check compares their length, and what the base makes of them.
        weight: column that says how much a row counts, 0 or more: in training, and where an epoch is chosen. It is no
            input, and must be there in every row.
        files: columns that name a file beside the table, name to what it holds: `image(96, 96, 3)` or `audio(16_000)`.
            Each path is relative to the source's folder.
        window: of each row, what the base gets is the last rows of its entity: every numeric and categorical column
            has the shape (rows, length), and the input "mask", bool of that shape, says which steps are rows.
        holdout: share of entities that no version ever trains on, 0 < holdout < 1.
        block: length of a time block, as "1d", "6h" or "1w". Rows of one block share their weather, so that to the
            gate they are one observation, not many; "" where time says nothing. "1d" by default, and "arrival" of rows
            that bring no time.
    """

    time: str | None
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
    block: str = UNSAID
    text: tuple[str, ...] = ()
    files: Mapping[str, Media] = field(default_factory=dict)
    window: Window | None = None
    weight: str | None = None
    classes: tuple[str, ...] = field(default=(), init=False, repr=False)  # the objective's words, as a ModelSpec says
    # Of several outputs the targets of all but the first, each with its words.
    other_targets: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a schema that contradicts itself.

        Raises:
            InvalidSpec: no inputs, a column in two kinds, the target as an input, a name that cannot be a column's,
                or a rule about no input.
        """
        for name in ("key", "numeric", "categorical", "entity", "nullable", "text"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a list is as good, and is recorded alike
        if self.block == UNSAID:
            object.__setattr__(self, "block", "1d" if self.time else ARRIVAL)
        inputs = list(self.inputs)
        repeated = sorted({name for name in inputs if inputs.count(name) > 1})
        if not inputs:
            raise InvalidSpec(
                "a Schema", "it has no input columns", "name some in numeric, categorical, text or tensors"
            )
        if repeated:
            raise InvalidSpec(f"columns {repeated}", "they are inputs twice", "name each in one kind only")
        if self.target in inputs:
            raise InvalidSpec(f"target '{self.target}'", "it is an input too", "remove it from the inputs")
        refused = sorted(name for name in self.columns if name == "holdout" or "/" in name)
        if refused:
            marks, slash = "Evergreen marks held-out rows in 'holdout'", "Keras takes no '/' in the name of an input"
            why = ", and ".join([marks] * ("holdout" in refused) + [slash] * (refused != ["holdout"]))
            raise InvalidSpec(f"columns {refused}", why, "rename them before they land")
        if not self.key:
            raise InvalidSpec("a Schema", "it has no key", "name the columns that together identify one row")
        self._check_rules()
        if not 0 < self.holdout < 1:
            raise InvalidSpec(f"holdout {self.holdout}", "it is a share", "use a number between 0 and 1")
        self._check_time()
        refuse_window(self)
        if self.block != ARRIVAL and not re.fullmatch(LENGTH, self.block):
            raise InvalidSpec(f"block {self.block!r}", "it is no length of time", 'write "1d", "6h", "30m", "1w" or ""')

    def _check_rules(self) -> None:
        """Refuse rules about what is no input, and a weight that is something else too."""
        if self.weight in (self.event_time, *self.key, *self.entity, *self.inputs, self.target):
            why = "it is an input, the target, or says which row it is"
            raise InvalidSpec(f"weight '{self.weight}'", why, "let a column of its own say how much a row counts")
        for rule, names in {
            "nullable": self.nullable,
            "ranges": self.ranges,
            "allowed": self.allowed,
        }.items():
            strangers = sorted(set(names) - set(self.inputs))
            if strangers:
                raise InvalidSpec(f"{rule} for {strangers}", "they are no inputs", f"choose from {sorted(self.inputs)}")
        if unseen := sorted({*self.files} & {*self.nullable, *self.key, *self.entity}):
            fix = "leave them out there: a row without its file is refused"
            raise InvalidSpec(f"columns {unseen}", "what names a file is neither nullable, nor key or entity", fix)

    def _check_time(self) -> None:
        """Refuse what goes only with rows that bring a time, or only without."""
        if self.time is None and ARRIVED in (*self.key, *self.entity, *self.inputs, self.target):
            why = "Evergreen writes there when a row arrived"
            raise InvalidSpec(f"column '{ARRIVED}' beside time=None", why, "rename it before it lands")
        if self.time is not None and self.block == ARRIVAL:
            fix = 'write block="1d" or the like, or time=None'
            raise InvalidSpec(f"block {ARRIVAL!r}", f"rows bring their time, in '{self.time}'", fix)

    @property
    def event_time(self) -> str:
        """The column of a partition that holds each row's event time."""
        return ARRIVED if self.time is None else self.time

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the base takes, in a fixed order."""
        return (*self.numeric, *self.categorical, *self.tensors, *self.text, *self.files)

    @property
    def taken(self) -> tuple[str, ...]:
        """The inputs of the base: these columns, and of windows the mask."""
        return (*self.inputs, MASK) if self.window else self.inputs

    def examples(self) -> pl.Expr:
        """Whether a row of a partition is an example, or is there for the windows of others alone."""
        import polars as pl

        every = self.window is None or self.window.step == 1
        return pl.lit(value=True) if every else pl.col(PLACE) % self.window.step == 0  # type: ignore[union-attr]

    def labelled_examples(self, rows: pl.DataFrame) -> int:
        """How many rows of a partition are examples whose label is known."""
        import polars as pl

        if not set(self.targets) <= set(rows.columns):  # they were others then
            return 0
        known = (pl.col(name).is_not_null() for name in self.targets)
        return int(rows.select(pl.all_horizontal(self.examples(), *known).sum()).item())

    @property
    def strings(self) -> tuple[str, ...]:
        """The inputs that the base takes as strings."""
        return (*self.categorical, *self.text)

    @property
    def wide_bytes(self) -> int:
        """Memory that the tensors, texts and windows of a row take."""
        shapes = (*self.tensors.values(), *(media.shape for media in self.files.values()))
        steps = self.window.length * (4 * len(self.numeric) + 24 * len(self.categorical) + 24) if self.window else 0
        return sum(4 * prod(shape) for shape in shapes) + TEXT_BYTES * len(self.text) + steps

    @property
    def opaque(self) -> bool:
        """Whether there are inputs whose values nobody compares, only what a base makes of them."""
        return bool(self.tensors or self.text or self.files)

    @staticmethod
    def kept(name: str) -> str:
        """The column of a partition that holds what the files of a column hold; no other column has a "/"."""
        return f"{name}/kept"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of a typed row, without repeats."""
        weight = () if self.weight is None else (self.weight,)
        return tuple(dict.fromkeys((self.event_time, *self.key, *self.entity, *self.inputs, *self.targets, *weight)))

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns of the labels: one, or one for each output."""
        return (self.target, *(name for name, _ in self.other_targets))

    @property
    def arriving(self) -> tuple[str, ...]:
        """Every column that an arriving row must have."""
        return tuple(name for name in self.columns if self.time is not None or name != ARRIVED)

    def kept_kinds(self) -> dict[str, pl.DataType]:
        """The type of each column of a partition that holds what files held, or windows."""
        import polars as pl

        kinds = {"uint8": pl.UInt8(), "int16": pl.Int16()}
        held = {self.kept(name): pl.Array(kinds[one.kept_as], prod(one.shape)) for name, one in self.files.items()}
        return {**held, **self.window_kinds()}

    def window_kinds(self) -> dict[str, pl.DataType]:
        """The type of each column of a partition that keeps its rows' windows."""
        return window_kinds(self)

    @staticmethod
    def kept_window(name: str) -> str:
        """The column of a partition that keeps a column's windows."""
        return kept_window(name)

    def answering(self, objective: Objective) -> Schema:
        """The same schema with the targets of an objective, and their words; raises InvalidSpec."""
        first, *others = ((name, one.names) for name, one in objective.by_target(self.target).items())
        taken = {self.event_time, *self.key, *self.entity, *self.inputs, self.weight}
        if strangers := sorted(name for name, _ in others if name in taken or name == "holdout" or "/" in name):
            why = "such a column is an input, or says which row it is, how much it counts, or whether it is held out"
            raise InvalidSpec(f"targets {strangers}", why, "give each output a column of its own")
        return self.named(first[1], tuple(others))

    def named(self, classes: tuple[str, ...], others: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> Schema:
        """The same schema of a target that arrives as words, or as numbers where there are none; and of others."""
        if (classes, others) == (self.classes, self.other_targets):
            return self
        schema = replace(self)
        object.__setattr__(schema, "classes", classes)  # init=False: a user names them in the objective, and once
        object.__setattr__(schema, "other_targets", others)
        return schema

    def label(self) -> pl.Expr:
        """A row's label as the number that a model learns: of words their place; null where it is not known.

        Of several outputs it is the first one's: the one that may come later than its row.
        """
        return _number(self.target, self.classes)

    def labels(self) -> pl.Expr:
        """What a model learns of a row: a number, of several outputs an array of them; NaN where it is not known."""
        import polars as pl

        numbers = [_number(*one).fill_null(float("nan")) for one in ((self.target, self.classes), *self.other_targets)]
        return pl.concat_arr(numbers) if self.other_targets else numbers[0]

    def labelled(self) -> pl.Expr:
        """Whether all labels of a row are known."""
        import polars as pl

        first, others = self.label().is_not_null(), [_number(*one).is_not_null() for one in self.other_targets]
        return pl.all_horizontal(first, *others) if others else first

    def as_arrived(self, label: pl.Expr) -> pl.Expr:
        """A label's number as the target arrives: the word again, where it has words."""
        import polars as pl

        if not self.classes:
            return label
        numbers = [float(place) for place in range(len(self.classes))]
        return label.replace_strict(numbers, self.classes, default=None, return_dtype=pl.String)


def _number(target: str, classes: tuple[str, ...]) -> pl.Expr:
    """A label as a number: of words the place among them; null where it is not known."""
    import polars as pl

    label = pl.col(target)
    if classes:
        numbers = [float(place) for place in range(len(classes))]
        words = label.cast(pl.String)  # of a partition from before there were words, which then has no labels
        label = words.replace_strict(classes, numbers, default=None, return_dtype=pl.Float64)
    return label.cast(pl.Float64, strict=False).fill_nan(None)
