"""What a saved model takes and gives, beside the columns of somebody's rows: which fill which input, and what for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from cli.drafting.guess import named, shape_of
from cli.drafting.roles import Roles, roles, words_of
from cli.drafting.written import PLAINLY, Written
from errors import CannotAdopt, listed
from learning.schema import Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from learning.existing import ModelInput

LOGITS = "keras.Sequential([keras.models.load_model('mine.keras'), keras.layers.Activation('{}')]).save('again.keras')"
MOST_SHOWN = 8  # columns that a sentence names
SLACK = 1e-3  # by which chances of a row may miss a sum of one


@dataclass(frozen=True)
class Fit:
    """The columns that fill a model's inputs.

    Args:
        schema: what the model needs of them.
        inputs: name of an input to its columns, where they are not the one of its own name.
        ignored: all other columns.
        doubts: what a person should look at, in sentences.
        written: how the file writes numbers and times.
        classes: the words of the target, in the order of the alphabet; () where it holds numbers.
    """

    schema: Schema
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    written: Written = PLAINLY
    classes: tuple[str, ...] = ()

    def numbered(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The same rows, the words of a target as numbers, in the order of `classes`."""
        if not self.classes:
            return rows
        numbers = {word: number for number, word in enumerate(self.classes)}
        target = pl.col(self.schema.target).replace_strict(numbers, default=None, return_dtype=pl.Float64)
        return rows.with_columns(target)

    @property
    def time_format(self) -> str:
        """How the times of its rows are written, as a Source says it."""
        return self.written.times.get(self.schema.time or "", "iso")

    def read_by(self, written: Written) -> Fit:
        """The same, of a file that writes numbers and times in this way."""
        return replace(self, written=written, doubts=(*written.doubts, *self.doubts))

    def without_nulls(self, columns: Iterable[str]) -> Fit:
        """The same, with no nulls allowed in these columns: the model cannot learn from them."""
        lost = tuple(name for name in self.schema.nullable if name in set(columns))
        nullable = tuple(name for name in self.schema.nullable if name not in lost)
        told = f"nulls: the model does not impute {', '.join(lost)}, so rows without a value there will be refused"
        return replace(self, schema=replace(self.schema, nullable=nullable), doubts=(*self.doubts, told))


def fit(rows: pl.DataFrame, wanted: Sequence[ModelInput], *, time: str, target: str, key: Iterable[str]) -> Fit:
    """Find the columns that fill a model's inputs: those of the same names, or all numbers in the order of the file.

    Args:
        rows: typed ones.
        wanted: what the model takes.
        time: column of the event time, if a person named it.
        target: column of the label, if a person named it.
        key: columns of the key, if a person named them.

    Raises:
        CannotAdopt: no columns fill an input; names both.
        InvalidSpec: none can be the time, the target or the key.
    """
    found = roles(rows, time=time, target=target, key=key)
    classes = classes_of(rows, found.target)
    taken = {found.time, found.target}
    inputs: dict[str, tuple[str, ...]] = {}
    for one in wanted:
        named = one.name in rows.columns and one.name not in taken
        inputs[one.name] = (one.name,) if named else _unnamed(rows, one, wanted, found)
    names = [name for filling in inputs.values() for name in filling]
    if len(set(names)) < len(names):
        raise _no_columns(rows, wanted, found, "one column would fill two inputs")
    schema = _schema(rows, wanted, inputs, found)
    different = {name: filling for name, filling in inputs.items() if filling != (name,)}
    ignored = tuple(column for column in rows.columns if column not in schema.columns)
    return Fit(schema, different, ignored, tuple(_doubts(found, different, named={target, *key})), classes=classes)


def classes_of(rows: pl.DataFrame, target: str) -> tuple[str, ...]:
    """The words of a target, in the order of the alphabet; () of numbers. Raises CannotAdopt for anything else."""
    classes = tuple(sorted(words_of(rows[target])))
    if not (classes or _is_number(rows[target])):
        fix = "write classes as the numbers that the model was trained with, 0, 1, 2 …, or name another --target"
        raise CannotAdopt(f"target '{target}'", "it holds neither numbers, nor words that come again", fix)
    return classes


def _unnamed(rows: pl.DataFrame, one: ModelInput, wanted: Sequence[ModelInput], found: Roles) -> tuple[str, ...]:
    """The columns that fill a model's one input, whose name none of them has."""
    if len(wanted) > 1:
        raise _no_columns(rows, wanted, found, f"no column is called '{one.name}'")
    free = [column for column in rows.columns if column not in {found.time, found.target}]
    if one.dtype == "string":
        texts = [column for column in free if column not in found.key and rows[column].dtype == pl.String]
        if len(texts) == 1 and prod(size or 0 for size in one.shape) == 1:
            return (texts[0],)
        raise _no_columns(rows, wanted, found, f"{len(texts)} columns hold text")
    lists = [column for column in free if _fits(shape_of(rows[column]), one.shape)]
    if len(lists) == 1:
        return (lists[0],)
    numbers = [column for column in free if rows[column].dtype.is_numeric() or rows[column].dtype == pl.Boolean]
    for chosen in ([column for column in numbers if column not in found.key], numbers):
        if _fits((len(chosen),), one.shape) and chosen:
            return tuple(chosen)
    beside = [column for column in numbers if found.by_content or column not in found.key]
    raise _no_columns(rows, wanted, found, f"{len(beside)} columns hold numbers: {listed(beside) or 'none'}")


def _fits(shape: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    """Whether values of a shape fill an input: as many numbers, or such rows of any length."""
    if not shape or not wanted:
        return bool(shape) and prod(shape) == 1
    if None not in wanted:
        return prod(shape) == prod(size for size in wanted if size)
    fixed = prod(size for size in wanted if size)
    if len(shape) == len(wanted):
        return all(b is None or a == b for a, b in zip(shape, wanted, strict=True))
    return list(wanted).count(None) == 1 and len(shape) == 1 and shape[0] % fixed == 0


def _schema(
    rows: pl.DataFrame, wanted: Sequence[ModelInput], inputs: dict[str, tuple[str, ...]], found: Roles
) -> Schema:
    """A schema of exactly these inputs."""
    numeric, categorical, tensors = list[str](), list[str](), dict[str, tuple[int, ...]]()
    for one in wanted:
        names = inputs[one.name]
        if one.dtype == "string":
            categorical += names
        elif len(names) > 1 or prod(size or 0 for size in one.shape) == 1:
            numeric += names
        else:
            tensors[names[0]] = _tensor_shape(rows, one, names[0])
        for name in names:
            if one.dtype != "string" and name not in tensors and not _is_number(rows[name]):
                raise _no_columns(rows, wanted, found, f"column '{name}' holds no numbers")
    gaps = tuple(name for name in (*numeric, *categorical) if rows[name].null_count())
    kinds = tuple(numeric), tuple(categorical), tensors
    return Schema(found.time, found.key, found.target, *kinds, nullable=gaps)


def _tensor_shape(rows: pl.DataFrame, one: ModelInput, column: str) -> tuple[int, ...]:
    """The shape of a list column, as the model takes it; where any length will do, as it is there."""
    if None not in one.shape:
        return tuple(size or 0 for size in one.shape)
    there = shape_of(rows[column])
    if len(there) == len(one.shape):
        return there
    raise CannotAdopt(
        f"column '{column}' of shape {there or '(no lists of one length)'}",
        f"the model takes {one}",
        "write lists of one length, nested as the model takes them, into a Parquet or JSON Lines file",
    )


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype == pl.Boolean


def _no_columns(rows: pl.DataFrame, wanted: Sequence[ModelInput], found: Roles, why: str) -> CannotAdopt:
    """The refusal that names both sides."""
    kept = f"time {found.time or 'of arrival'}, key {listed(found.key)}, target {found.target}"
    others = [column for column in rows.columns if column not in {found.time, found.target}]
    return CannotAdopt(
        f"a model that takes {'; '.join(map(str, wanted))}",
        f"the file's columns do not fill that: {why} (beside {kept} there are {listed(others)})",
        "give a file in which the columns bear the inputs' names, or in which one input's numbers are the only ones, "
        "in the order of training; --time, --key and --target say which columns are none",
    )


def _doubts(found: Roles, inputs: dict[str, tuple[str, ...]], named: set[str]) -> Iterator[str]:
    """What a person should look at."""
    for name, filling in inputs.items():
        if len(filling) > 1:
            names = listed((*filling[:3], "…", filling[-1]) if len(filling) > MOST_SHOWN else filling)
            yield f"order: input '{name}' is filled by {names}, as in the file; is training's the same?"
    if found.target not in named:
        yield f"target: '{found.target}' is a guess; say --target COLUMN"
    if not set(found.key) <= named:
        yield f"key: {listed(found.key)} is a guess; --key COLUMN, once for each, corrects it"


def objective_of(
    activation: str, said: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]]
) -> tuple[str, tuple[str, ...]]:
    """What a model is trained for, as Python, and what a person should look at.

    Args:
        activation: its last one; "" where that is not known.
        said: what it says of some rows, shape (rows, outputs).
        target: their targets.

    Raises:
        CannotAdopt: it gives something else than a chance, chances of classes, or one number.

    Example:
        >>> objective_of("sigmoid", np.array([[0.2], [0.9]]), np.array([0.0, 1.0]))
        ('Binary()', ())
    """
    if said.ndim != 2:
        why = "a prediction is one number, or one for each class"
        raise CannotAdopt(f"predictions of shape {said.shape[1:]} a row", why, "adopt an output that gives such")
    width, chances = said.shape[1], bool((said >= 0).all() and (said <= 1).all())
    zero_or_one = bool(np.isin(target, (0, 1)).all())
    whole = bool((target == np.round(target)).all() and target.min(initial=0) >= 0)
    if width > 1:
        return _of_classes(width, said, target, whole=whole)
    if activation == "sigmoid" and zero_or_one:
        return "Binary()", ()
    if zero_or_one and not chances:
        raise CannotAdopt(
            f"predictions from {said.min():.3g} to {said.max():.3g} for a target of 0 and 1",
            "they are no chances: the model gives logits",
            f"save it with its sigmoid: {LOGITS.format('sigmoid')}",
        )
    if zero_or_one and activation not in {"linear", "relu"}:
        return "Binary()", (
            "objective: Binary(), as all predictions lie between 0 and 1; the last activation is hidden",
        )
    doubt = "objective: Regression(), with a target of 0 and 1; if these are classes, save the model with a sigmoid"
    return "Regression()", ((doubt,) if zero_or_one else ())


def _of_classes(
    width: int, said: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]], *, whole: bool
) -> tuple[str, tuple[str, ...]]:
    """The objective of a model that gives several numbers a row."""
    if not whole or target.max(initial=0) >= width:
        raise CannotAdopt(
            f"{width} predictions a row, and targets from {target.min():.4g} to {target.max():.4g}",
            f"{width} chances are of the classes 0 to {width - 1}",
            "write the target as the numbers of the classes, as in training; or name another --target or --output",
        )
    if (said < 0).any() or (np.abs(said.sum(axis=1) - 1) > SLACK).any():
        raise CannotAdopt(
            f"{width} predictions a row that do not sum to one",
            "they are no chances of classes: the model gives logits, or several labels at once",
            f"if they are logits, save it with its softmax: {LOGITS.format('softmax')}",
        )
    return f"Multiclass({width})", ()


def of_words(
    objective: str, classes: tuple[str, ...], said: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]]
) -> tuple[str, tuple[str, ...]]:
    """The objective of a target of words, as Python, and how often the model is right by their order.

    Most programs number words by the alphabet. Of two words the model's own answers tell which is the event.

    Args:
        objective: what numbers in their place would make of it.
        classes: the words in the order of the alphabet.
        said: what the model says of some rows.
        target: their targets, as places in `classes`.

    Raises:
        CannotAdopt: the model is for other than so many classes.

    Example:
        >>> of_words("Binary()", ("no", "yes"), np.array([[0.2], [0.9]]), np.array([0.0, 1.0]))[0]
        'Binary(classes=("no", "yes"))'
    """
    width = said.shape[1]
    if objective.startswith("Regression") or max(width, 2) != len(classes):
        why = f"the model gives {width} {'number' if width == 1 else 'chances'}"
        fix = "write the target as the numbers that the model was trained with, or name another --target"
        raise CannotAdopt(f"a target of {len(classes)} words", why, fix)
    right = float(((said.argmax(axis=1) if width > 1 else said[:, 0] > 0.5) == target).mean())
    if width == 1 and right < 0.5:
        classes, right = classes[::-1], 1 - right
    order = ", ".join(classes)
    return named(classes, binary=width == 1), (f"classes: {order} in this order makes the model right on {right:.0%}",)
