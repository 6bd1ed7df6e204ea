"""The outputs of a saved model that are kept fresh: the column of each one's label, what it is for, and its weight."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cli.drafting.fitting import Fit, classes_of, objective_of, of_words
from cli.drafting.sample import rows_as_read
from errors import CannotAdopt, listed
from learning.adoption import Adopted
from learning.objectives import Binary, Multiclass
from learning.regression import Regression

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

KINDS: Mapping[str, Callable[..., Binary | Multiclass | Regression]] = MappingProxyType(
    {"Binary": Binary, "Multiclass": Multiclass, "Regression": Regression}
)


@dataclass(frozen=True)
class Fresh:
    """An output that is kept fresh.

    Args:
        name: of the output; "" where the model has only one.
        target: column of its label; "" where it is to be guessed.
        objective: as Python.
        weight: of its loss, beside those of others.
        doubts: what a person should look at.
    """

    name: str
    target: str
    objective: str = ""
    weight: float = 1.0
    doubts: tuple[str, ...] = ()


def asked_outputs(given: Sequence[str], target: str) -> tuple[Fresh, ...]:
    """What a person asked for: one output, or several, each as OUTPUT=COLUMN.

    Raises:
        CannotAdopt: one has no name, or two have the same; of several, one has no column; or there is a --target beside
            their columns.

    Example:
        >>> [(one.name, one.target) for one in asked_outputs(["late=is_late", "delay=minutes"], "")]
        [('late', 'is_late'), ('delay', 'minutes')]
        >>> asked_outputs([], "is_late")[0].target
        'is_late'
    """
    pairs = [Fresh(name, column) for name, _, column in (one.partition("=") for one in given)]
    names = [one.name for one in pairs]
    if "" in names:
        fix = f"write --output OUTPUT={pairs[names.index('')].target or 'COLUMN'}"
        raise CannotAdopt(f"--output {given[names.index('')]!r}", "it names no output", fix)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CannotAdopt(f"--output {listed(twice)}, twice", "each output has one label", "name each output once")
    if len(pairs) < 2 and not (pairs and pairs[0].target):
        return (Fresh(pairs[0].name if pairs else "", target),)
    if bare := [one.name for one in pairs if not one.target]:
        fix = f"write --output {bare[0]}=COLUMN"
        raise CannotAdopt(f"--output {bare[0]} beside others", "each of several has a label of its own", fix)
    if target:
        why = "each --output names its own column already"
        raise CannotAdopt(f"--target {target} beside --output OUTPUT=COLUMN", why, "leave --target out")
    return tuple(pairs)


def output_of(fresh: Sequence[Fresh]) -> str | tuple[str, ...]:
    """As `Adopted` names them."""
    return fresh[0].name if len(fresh) == 1 else tuple(one.name for one in fresh)


def with_objectives(  # noqa: PLR0913, PLR0917 - the model, its columns and the rows
    asked: Sequence[Fresh], activations: Sequence[str], found: Fit, adopted: Adopted, rows: pl.DataFrame, folder: Path
) -> tuple[Fit, tuple[Fresh, ...]]:
    """Each output with what it is for, as its answers on the rows tell; nulls are taken back that it cannot take.

    Args:
        asked: the outputs.
        activations: the last one of each.
        found: the columns that fill the inputs; its target is the first output's.
        adopted: the model.
        rows: typed ones.
        folder: for a copy of some of them.
    """
    known, lost, several = list[Fresh](), set[str](), len(asked) > 1
    for one, activation in zip(asked, activations, strict=True):
        target = one.target or found.schema.target
        own = replace(found, schema=replace(found.schema, target=target), classes=classes_of(rows, target))
        labels, values = rows_as_read(own.numbered(rows), own.schema, folder)
        alone = replace(adopted, output=one.name)
        said = alone.answers(values)
        sums = said.reshape(len(said), -1).astype("float64").sum(axis=1)
        there = sums == sums  # noqa: PLR0124 - NaN is not equal to itself
        objective, doubts = objective_of(activation, said[there], labels[there])
        weight = even_weight(objective, labels[there])
        lost.update(alone.not_imputed(written(objective), values))
        if own.classes:
            objective, doubts = of_words(objective, own.classes, said[there], labels[there])
        named = tuple(f"output {one.name}: {doubt}" for doubt in doubts) if several else doubts
        known.append(Fresh(one.name, target, objective, weight, named))
    if several:
        told = "weights: by these each loss is 1 where nothing is known of a row; what is each output worth to you?"
        known[-1] = replace(known[-1], doubts=(*known[-1].doubts, told))
    return (found.without_nulls(lost) if lost else found), tuple(known)


def even_weight(objective: str, target: Floats) -> float:
    """The weight by which an output's loss is 1 where nothing is known of a row, so that no unit drowns the others.

    Raises:
        CannotAdopt: its text is no objective of one output.

    Example:
        >>> even_weight("Regression()", np.array([0.0, 10.0]))
        0.04
    """
    known = written(objective)
    constant = known.constant(target)
    loss = float(np.mean(known.row_loss(target, np.broadcast_to(constant, (len(target), len(constant))))))
    return float(f"{1 / loss:.2g}") if loss > 0 else 1.0


def written(objective: str) -> Binary | Multiclass | Regression:
    """An objective from its text in Python, of plain values.

    Raises:
        CannotAdopt: it is no such text.

    Example:
        >>> written("Regression(quantile=0.9)").quantile
        0.9
    """
    try:
        match ast.parse(objective, mode="eval").body:
            case ast.Call(func=ast.Name(id=kind), args=args, keywords=more) if kind in KINDS:
                named = {str(one.arg): ast.literal_eval(one.value) for one in more}
                return KINDS[kind](*map(ast.literal_eval, args), **named)
    except (SyntaxError, TypeError, ValueError):
        pass
    fix = "write Binary(), Multiclass(n) or Regression(), with plain values"
    raise CannotAdopt(f"objective {objective!r}", "it is none of one output", fix)


def refuse_unknown(asked: Sequence[Fresh], rows: pl.DataFrame) -> None:
    """See that the rows have a column for each of several outputs, and no two the same; raises CannotAdopt."""
    for one in asked[1:]:
        if one.target not in rows.columns:
            fix = f"choose from {', '.join(rows.columns)}"
            raise CannotAdopt(f"target '{one.target}' of output '{one.name}'", "there is no such column", fix)
    if len({one.target for one in asked}) < len(asked):
        received = ", ".join(f"--output {one.name}={one.target}" for one in asked)
        raise CannotAdopt(received, "two outputs have the same column", "give each output a column of its own")


def kinds_of(fresh: Sequence[Fresh]) -> set[str]:
    """The names that this text takes from learning.spec."""
    kinds = {one.objective.partition("(")[0] for one in fresh}
    return kinds | {"MultiOutput", "Output"} if len(fresh) > 1 else kinds
