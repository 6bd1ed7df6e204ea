"""What a new head says before it has learned: near the best answer that looks at no input, in units of the target.

A head that ends in `Dense(1)` begins near 0. Steps of a thousandth do not bring it to a target around 200,000, and an
error of 72,000, squared, drowns whatever regularises. So a fixed last layer gives predictions their unit back
(`Rescaling`: times the spread of the training targets, plus their centre), and the loss is taken of errors in units of
that spread: for any optimizer the same training as on a target that was standardised by hand. The layer is a part of
the head's file. So every later version has the same unit, and whoever loads it needs to know nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learning.graph import has_graph
from learning.multi_output import MultiOutput
from learning.objectives import Binary, Floats, Multiclass, Objective
from learning.regression import Regression

if TYPE_CHECKING:
    import keras


def first_answers(objective: Objective, head: keras.Model, target: Floats, *, balanced: bool) -> keras.Model:
    """A new head that begins near the best constant, as far as it lets itself be told.

    Args:
        objective: says what predictions are.
        head: just built; it may be changed.
        target: of the rows that it will learn from.
        balanced: classes count otherwise than they are frequent. A head that began at one half would then begin as far
            away as there are odds between both.
    """
    if isinstance(objective, Regression):
        return in_units_of(objective, head, target)
    if balanced and not isinstance(objective, MultiOutput):
        begin_at_shares(objective, head, target)
    return head


def begin_at_shares(objective: Binary | Multiclass, head: keras.Model, target: Floats) -> None:
    """Let a head that ends in a sigmoid or softmax of its own begin at the share of each class (Lin et al. 2017)."""
    last, count = last_sums(head), objective.class_count
    if last is None:
        return
    logs = np.log(np.bincount(target.astype("int64"), minlength=count) + 0.5)
    bias = logs - logs.mean() if last.units == count else logs[1:] - logs[0]
    if last.bias.shape == bias.shape and not np.any(last.bias.numpy()):
        last.bias.assign(bias)


def last_sums(head: keras.Model) -> Any:
    """The layer whose sums become chances: a head's last, a Dense with a bias that ends in sigmoid or softmax."""
    import keras

    last = last_operation(head)
    known = (keras.activations.sigmoid, keras.activations.softmax)
    return last if isinstance(last, keras.layers.Dense) and last.use_bias and last.activation in known else None


def in_units_of(objective: Regression, head: keras.Model, target: Floats) -> keras.Model:
    """A new head that ends in the unit of its target, if it ends in plain numbers.

    One that ends in another activation, or in a Rescaling of the user's, has said itself where its predictions lie.

    Args:
        objective: says what predictions are.
        head: just built; it may be changed.
        target: of the rows that it will learn from.
    """
    import keras

    if not _is_plain(last_operation(head)):
        return head
    learned = np.log1p(target) if objective.log else target
    # In single precision, whatever the layers before it compute in: a half knows no number above 65,504.
    last = [keras.layers.Rescaling(objective.spread(learned), float(objective.constant(learned)[0]), dtype="float32")]
    if objective.log:
        last += [keras.layers.Activation("exponential", dtype="float32")]
        last += [keras.layers.Rescaling(1.0, -1.0, dtype="float32")]
    if isinstance(head, keras.Sequential):
        for layer in last:
            head.add(layer)
        return head
    output = head.outputs[0]
    for layer in last:
        output = layer(output)
    return keras.Model(head.input, output, name=head.name)


def log_sums(head: keras.Model) -> tuple[Any, Any] | None:
    """Of a head that predicts by a logarithm: the Dense layer that gives it, in units, and the Rescaling that follows.

    None of a head that does not end as `in_units_of` lets it.
    """
    import keras

    *_, dense, unit, grown, less = [None] * 4 + _operations(head)
    dense = last_operation(dense) if isinstance(dense, keras.Model) else dense
    kinds = keras.layers.Dense, keras.layers.Rescaling, keras.layers.Activation, keras.layers.Rescaling
    known = all(isinstance(one, kind) for one, kind in zip((dense, unit, grown, less), kinds, strict=True))
    if not known or not _is_plain(dense) or not dense.use_bias:
        return None
    minus_one = np.all(np.equal(less.scale, 1)) and np.all(np.equal(less.offset, -1))
    return (dense, unit) if minus_one and grown.activation is keras.activations.exponential else None


def unit_of(objective: Objective, head: keras.Model) -> float:
    """What errors of a head's predictions are measured in: the factor of the Rescaling that it ends in, or else 1."""
    import keras

    last = last_operation(head) if isinstance(objective, Regression) else None
    if objective.log:
        _, last = log_sums(head) or (None, None)
    factor = last.scale if isinstance(last, keras.layers.Rescaling) else 1.0
    return abs(float(factor)) or 1.0 if isinstance(factor, int | float) else 1.0


def loss_of_one(objective: Objective, unit: float) -> float:
    """What a loss of 1 in such units is in the objective's own."""
    return objective.of_unit(unit) if isinstance(objective, Regression) else 1.0


def last_operation(model: keras.Model) -> Any:
    """The operation that gives a model's predictions, also inside of models that it is made of; None if it hides it."""
    found = _operations(model)
    return found[-1] if found else None


def _operations(model: Any) -> list[Any]:
    """The operations of the innermost model that gives a model's predictions; none if it hides them."""
    import keras

    found = []
    while isinstance(model, keras.Model):
        if not has_graph(model):
            return []
        found = list(model.layers if isinstance(model, keras.Sequential) else model.operations)
        model = found[-1]
    return found


def _is_plain(operation: Any) -> bool:
    """Whether an operation is a Dense layer without an activation."""
    import keras

    return isinstance(operation, keras.layers.Dense) and operation.activation is keras.activations.linear
