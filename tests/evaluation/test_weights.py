"""Rows that weigh: a row of weight 2 counts as two rows do, one of weight 0 as none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.gate import PROVING, Paired, judge
from evaluation.paired import parts
from evaluation.rules import blocks
from learning.objectives import Binary, Multiclass, Objective, Regression
from learning.spec import Gate, Rule

ROWS = 400
WEIGHT = np.random.default_rng(3).integers(0, 4, ROWS).astype(float)
ERA = "2012"


def paired(objective: Objective) -> Paired:
    """A proving window of four days and an era, with a slice."""
    draw = np.random.default_rng(1)
    name = np.where(np.arange(ROWS) % 5 == 0, ERA, PROVING)
    block = np.datetime64("2013-03-01", "us") + np.arange(ROWS) % 4 * np.timedelta64(1, "D")
    slices = {"city": np.where(draw.random(ROWS) < 0.5, "A", "B")}
    classes = objective.class_count
    if classes is None:
        target = draw.normal(0, 1, ROWS)
        predictions = [(target + draw.normal(0, size, ROWS))[:, None] for size in (1.0, 0.8)]
    else:
        target = draw.integers(0, classes, ROWS).astype(float)
        mixed = (draw.dirichlet(np.ones(classes), ROWS) + np.eye(classes)[target.astype(int)] * size for size in (1, 2))
        predictions = [one / one.sum(axis=1, keepdims=True) for one in mixed]
        if isinstance(objective, Binary):
            predictions = [one[:, 1:] for one in predictions]
    return Paired(target, *predictions, name, slices, block=block, weight=WEIGHT)


def repeated(rows: Paired) -> Paired:
    """Each row as often as it weighs."""
    often = WEIGHT.astype(int)
    arrays = {
        name: np.repeat(value, often, axis=0) for name, value in vars(rows).items() if isinstance(value, np.ndarray)
    }
    slices = {column: np.repeat(values, often) for column, values in rows.slices.items()}
    return replace(rows, **arrays | {"weight": None}, slices=slices)


CASES = [
    (Binary(), "pr_auc"), (Binary(), "brier"), (Binary(), None), (Multiclass(3), "macro_f1"), (Multiclass(3), None),
    (Regression(), "rmse"), (Regression(), "absolute_error"), (Regression(), None),
]  # fmt: skip


@pytest.mark.parametrize(("objective", "metric"), CASES, ids=str)
def test_a_weight_is_as_many_rows(objective: Objective, metric: str | None) -> None:
    """Every figure, change and interval, by the loss and by a named figure, on eras and slices too."""
    rule = Rule("accuracy" if objective.class_count else "r2", at_least=0.0)
    gate = Gate(min_rows=10, min_events=1, metric=metric, also=(rule,))
    weighed = judge(paired(objective), objective, gate)
    counted = judge(repeated(paired(objective)), objective, gate)
    assert [m.metric for m in weighed.metrics] == [m.metric for m in counted.metrics]
    for one, other in zip(weighed.metrics, counted.metrics, strict=True):
        assert one.rows < other.rows
        for name in ("champion_value", "challenger_value", "delta"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9), (one.metric, name)
        if one.ci_low is not None and not (metric in {"pr_auc", "macro_f1", "rmse"} and one.metric == metric):
            assert (one.ci_low, one.ci_high) == pytest.approx((other.ci_low, other.ci_high), rel=1e-9)
    assert weighed.reason.split("(")[0] == counted.reason.split("(")[0]
    assert weighed.rules[3] == counted.rules[3]


def test_a_block_is_a_weighted_mean() -> None:
    """What goes on from run to run weighs, too."""
    rows = paired(Regression()).weighing()
    mine = parts(rows, Regression(), frozenset(), {})[0]
    theirs = parts(repeated(paired(Regression())), Regression(), frozenset(), {})[0]
    for one, other in zip(blocks(mine), blocks(theirs), strict=True):
        assert (one.champion_loss, one.challenger_loss) == pytest.approx((other.champion_loss, other.challenger_loss))
