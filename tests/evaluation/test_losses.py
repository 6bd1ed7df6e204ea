"""A row without a prediction is lost: never good for whoever has none, and never so bad that it decides everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.gate import NEWEST, Paired, Verdict, judge
from evaluation.losses import NO_PREDICTION, figures, paired_losses
from learning.objectives import Binary, Multiclass, Objective, Regression
from learning.spec import Gate

ROWS = 1000
GATE = Gate(min_rows=100)
NOTHING = pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])


def example(objective: Objective) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, a good prediction of each and a worse one."""
    draw = np.random.default_rng(3)
    if isinstance(objective, Regression):
        target = draw.standard_t(2, ROWS)  # heavy tails
        return target, (target + draw.normal(0, 0.1, ROWS))[:, None], (target + draw.normal(0, 0.5, ROWS))[:, None]
    classes = objective.class_count
    target = draw.integers(0, classes, ROWS)
    sure, unsure = (
        np.where(np.eye(classes)[target] > 0, chance, (1 - chance) / (classes - 1)) for chance in (0.8, 0.6)
    )
    if isinstance(objective, Binary):
        sure, unsure = sure[:, 1:], unsure[:, 1:]
    noise = draw.normal(0, 0.05, (ROWS, 1))
    return target.astype(float), sure + noise / 10, unsure + noise


OBJECTIVES = pytest.mark.parametrize("objective", [Binary(), Multiclass(3), Regression()])


def judged(objective: Objective, target: np.ndarray, champion: np.ndarray, challenger: np.ndarray) -> Verdict:
    """The gate's verdict on rows of the newest era."""
    return judge(Paired(target, champion, challenger, np.full(len(target), NEWEST), {}), objective, GATE)


@OBJECTIVES
@NOTHING
def test_a_champion_without_a_prediction_loses_the_row_and_not_the_gate(objective: Objective, nothing: float) -> None:
    """One row, or a third of them: a better challenger is promoted, and the figures say how many rows it was."""
    target, good, worse = example(objective)
    for rows in (1, ROWS // 3):
        champion = worse.copy()
        champion[:rows, 0] = nothing
        verdict = judged(objective, target, champion, good)
        assert verdict.passed, verdict.reason
        assert f"the champion gave no prediction (NaN or infinite) of {rows:,} rows" in verdict.reason
        (counted,) = [m for m in verdict.metrics if m.metric == NO_PREDICTION]
        assert (counted.rows, counted.champion_value, counted.challenger_value) == (ROWS, rows, 0)
        assert all(np.isfinite([m.champion_value, m.challenger_value]).all() for m in verdict.metrics)


@OBJECTIVES
@NOTHING
def test_a_challenger_without_a_prediction_of_one_row_is_rejected(objective: Objective, nothing: float) -> None:
    """However good it is elsewhere, and whatever the champion says there: the rule that catches it says so."""
    target, good, worse = example(objective)
    good[7, -1] = nothing
    for champion in (worse, np.full_like(worse, nothing)):
        verdict = judged(objective, target, champion, good)
        assert not verdict.passed
        assert verdict.harmful
        assert verdict.reason == "no prediction (NaN or infinite) of 1 of 1,000 labelled rows"


@OBJECTIVES
def test_no_prediction_is_worse_than_any_that_the_other_version_and_a_constant_give(objective: Objective) -> None:
    """On the row itself, on either side, also where both have none: then it is a tie."""
    target, good, worse = example(objective)
    nothing = np.full_like(good, np.nan)
    before, after = paired_losses(objective, target, nothing, good)
    constant = objective.row_loss(target, np.tile(objective.constant(target), (ROWS, 1)))
    assert (before > after).all()
    assert (before > constant).all()
    assert (
        paired_losses(objective, target, worse, nothing)[1] > paired_losses(objective, target, worse, good)[0]
    ).all()
    assert np.array_equal(*paired_losses(objective, target, nothing, nothing))


def test_a_champion_with_one_row_without_a_prediction_keeps_no_worse_challenger_in() -> None:
    """A champion's NaN helps a challenger by that row only: one that is worse elsewhere is rejected as before."""
    target, good, worse = example(Binary())
    good[0] = np.nan
    verdict = judged(Binary(), target, good, worse)
    assert not verdict.passed
    assert verdict.reason.startswith("shown worse: log_loss")


def test_predictions_that_are_all_there_are_judged_as_ever() -> None:
    """No figure changes where nothing is missing."""
    target, good, worse = example(Regression())
    before, after = paired_losses(Regression(), target, worse, good)
    assert np.array_equal(before, Regression().row_loss(target, worse))
    assert np.array_equal(after, Regression().row_loss(target, good))
    assert NO_PREDICTION not in figures(Regression(), target, good)


def test_slices_and_past_eras_know_the_rule_too() -> None:
    """A champion without predictions of a whole past era has nothing that could be forgotten there."""
    target, good, worse = example(Binary())
    champion = np.concatenate([worse, np.full_like(worse, np.nan)])
    paired = Paired(
        np.tile(target, 2),
        champion,
        np.tile(good, (2, 1)),
        np.repeat([NEWEST, "2013"], ROWS),
        slices={"carrier": np.repeat(["AA", "HA"], ROWS)},
    )
    assert judge(paired, Binary(), GATE).passed
    turned = replace(paired, champion_prediction=paired.challenger_prediction, challenger_prediction=champion)
    assert judge(turned, Binary(), GATE).reason == "no prediction (NaN or infinite) of 1,000 of 2,000 labelled rows"


@OBJECTIVES
def test_a_score_counts_rows_without_a_prediction(objective: Objective) -> None:
    """The track record stays a number, and a worse one."""
    target, good, _ = example(objective)
    whole = figures(objective, target, good)
    good[:10] = np.nan
    some = figures(objective, target, good)
    assert some[NO_PREDICTION] == 10
    assert some[objective.loss_name] > whole[objective.loss_name]
    assert np.isfinite(list(some.values())).all()
    none = figures(objective, target, np.full_like(good, np.nan))
    assert np.isfinite(none[objective.loss_name])
