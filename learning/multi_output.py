"""The objective of a model with several outputs: one for each, and the weighted sum of their losses for all.

Its labels have a column for each output, shape (rows, outputs), and its predictions stand beside each other in the same
order, shape (rows, all widths): so base, head, files and services are those of any other model. The sum of losses is
that of Keras' `loss_weights`, and of multitask learning (Caruana 1997).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec, listed
from learning.one_output import OneOutput

if TYPE_CHECKING:
    from learning.objectives import Binary, Multiclass
    from learning.regression import Regression

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Output:
    """One of several outputs: what it predicts, and how much that counts.

    Args:
        name: of the output, as the model has it.
        objective: of this output.
        target: column of its label.
        weight: what its loss is multiplied by, above 0. Losses of different units are made comparable by it.
    """

    name: str
    objective: Binary | Multiclass | Regression
    target: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse an objective that is none, or needs a head to itself, and a weight by which nothing is learned."""
        if not isinstance(self.objective, OneOutput):
            received = f"objective {self.objective!r} of output '{self.name}'"
            raise InvalidSpec(received, "it is none of one output", "write Binary(), Multiclass(n) or Regression()")
        if not 0 < self.weight < math.inf:
            fix = "write a number above 0, or leave the output out"
            raise InvalidSpec(f"weight {self.weight} of output '{self.name}'", "its loss would not count", fix)
        if self.objective.log:
            fix = "leave log=True out, and write the logarithm into the target"
            raise InvalidSpec(f"Regression(log=True) of output '{self.name}'", "the whole head would take it", fix)
        if self.objective.class_count is not None and self.objective.loss != type(self.objective).loss:
            why = "its chances would have to be put right afterwards, which is done for one output only"
            raise InvalidSpec(f"loss {self.objective.loss!r} of output '{self.name}'", why, "leave the loss out")


@dataclass(frozen=True)
class MultiOutput:
    """An objective, a target and a weight for each of several outputs; the weighted sum of their losses decides.

    Args:
        outputs: at least two. The label of the first is the schema's `target`.

    Example:
        >>> from learning.objectives import Binary, Regression
        >>> both = MultiOutput(
        ...     (Output("late", Binary(), "late"), Output("delay", Regression(), "minutes", weight=0.01)),
        ... )
        >>> both.width, both.targets
        (2, ('late', 'minutes'))
        >>> both.row_loss(np.array([[1.0, 30.0]]), np.array([[0.5, 20.0]])).round(3).tolist()
        [1.693]
    """

    outputs: tuple[Output, ...]
    loss: str = field(default="", init=False)  # in words: figures of other sums do not compare
    loss_name: str = field(default="weighted_loss", init=False)
    class_count: ClassVar[None] = None  # a row as a whole is of no class
    names: ClassVar[tuple[str, ...]] = ()
    log: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what is no output, and outputs that cannot be told apart; raises InvalidSpec."""
        given = self.outputs if isinstance(self.outputs, tuple | list) else (self.outputs,)
        if strangers := [one for one in given if not isinstance(one, Output)]:
            fix = 'write each as Output("late", Binary(), target="late")'
            raise InvalidSpec(f"MultiOutput of {listed([repr(one) for one in strangers])}", "these are no Outputs", fix)
        object.__setattr__(self, "outputs", tuple(given))
        if len(self.outputs) < 2:
            fix = "write the objective itself, as objective=Binary()"
            raise InvalidSpec(f"MultiOutput of {len(self.outputs)} outputs", "it is for two and more", fix)
        for what, names in {"outputs": self.output_names, "targets": self.targets}.items():
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise InvalidSpec(f"{what} {twice}", "they are there twice", "give each output a name and a target")
        if odd := [name for name in self.output_names if not name or "/" in name]:
            raise InvalidSpec(f"outputs {odd}", "a figure is called OUTPUT/FIGURE", "name them without a '/'")
        object.__setattr__(self, "loss", " + ".join(map(_in_words, self.outputs)))

    def __str__(self) -> str:
        """A short form for sentences: the names of the outputs."""
        return f"MultiOutput({', '.join(self.output_names)})"

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in their order."""
        return tuple(one.name for one in self.outputs)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns of the labels, in the same order."""
        return tuple(one.target for one in self.outputs)

    @property
    def width(self) -> int:
        """How many numbers all outputs are together."""
        return sum(one.objective.width for one in self.outputs)

    @property
    def label_count(self) -> int:
        """Columns of labels: one for each output."""
        return len(self.outputs)

    def by_target(self, _target: str) -> Mapping[str, Binary | Multiclass | Regression]:
        """Each column of labels, and what it is for."""
        return {one.target: one.objective for one in self.outputs}

    def outputs_of(self, prediction: Any) -> Iterator[tuple[str, Binary | Multiclass | Regression, Any]]:
        """Each output's name, objective and predictions, shape (rows, its width)."""
        start = 0
        for one in self.outputs:
            end = start + one.objective.width
            yield one.name, one.objective, prediction[:, start:end]
            start = end

    def parts(self, target: Any, prediction: Any) -> Iterator[tuple[Output, Any, Any]]:
        """Each output with its labels, shape (rows,), and its predictions, shape (rows, its width)."""
        for place, (one, (*_, said)) in enumerate(zip(self.outputs, self.outputs_of(prediction), strict=True)):
            yield one, target[:, place], said

    def row_loss(self, target: Floats, prediction: Floats) -> Floats:
        """The weighted sum of the losses of each row."""
        losses = (one.weight * one.objective.row_loss(*both) for one, *both in self.parts(target, prediction))
        return np.asarray(sum(losses))

    def metrics(self, target: Floats, prediction: Floats, weight: Floats | None = None) -> dict[str, float]:
        """The mean of the sum, and of each output its own figures, as "late/auc"."""
        found = {self.loss_name: float(np.average(self.row_loss(target, prediction), weights=weight))}
        for one, *both in self.parts(target, prediction):
            figures = one.objective.metrics(*both, *(() if weight is None else (weight,)))
            found |= {f"{one.name}/{name}": value for name, value in figures.items()}
        return found

    def constant(self, target: Floats, weight: Floats | None = None) -> Floats:
        """The best constant of each output, one after the other."""
        known = enumerate(self.outputs)
        return np.concatenate([one.objective.constant(target[:, place], weight) for place, one in known])


def refuse_names(given: tuple[str, ...], objective: MultiOutput) -> None:
    """See that a model has the outputs that the objective names; raises InvalidSpec."""
    wanted = objective.output_names
    if sorted(given) != sorted(wanted):
        received, why = f"a model with the outputs {listed(given)}", f"the objective is of {listed(wanted)}"
        raise InvalidSpec(received, why, "name in MultiOutput the outputs that the model has")


def _in_words(one: Output) -> str:
    """An output's part of the loss, with all that its size depends on."""
    words = {"quantile": getattr(one.objective, "quantile", None), "delta": getattr(one.objective, "delta", None)}
    told = "".join(f" with {name} {value:g}" for name, value in words.items() if value is not None)
    return f"{one.weight:g} x {one.objective.loss} of {one.name}{told}"
