"""Curves of both versions: they say how good the predictions are, and hold no row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from db.verdict_records import CALIBRATION, PRECISION, QUANTILES, RESIDUALS, EvaluationCurve
from evaluation.curves import FEWEST, POINTS, calibration, curves, precision
from evaluation.gate import NEWEST, PROVING, Paired
from learning.objectives import Binary, Multiclass, Regression

ROWS = 3000


def paired(target: np.ndarray, champion: np.ndarray, challenger: np.ndarray) -> Paired:
    """Rows of a proving window."""
    return Paired(target, champion, challenger, np.full(len(target), PROVING), {})


@pytest.fixture
def chances() -> Paired:
    """A challenger that knows the truth, and a champion that is always too sure."""
    draw = np.random.default_rng(0)
    truth = draw.uniform(0.02, 0.6, ROWS)
    target = (draw.random(ROWS) < truth).astype(float)
    sure = 1 / (1 + np.exp(-3 * np.log(truth / (1 - truth))))
    return paired(target, sure[:, None], truth[:, None])


def named(found: tuple[EvaluationCurve, ...]) -> dict[tuple[str, str], EvaluationCurve]:
    """By curve and side."""
    return {(curve.name, curve.side): curve for curve in found}


def test_who_knows_the_truth_lies_on_the_line(chances: Paired) -> None:
    """And who is too sure lies off it; each point stands for enough rows, and all of them for every row."""
    found = named(curves(chances, Binary()))
    off = {}
    for side in ("champion", "challenger"):
        points = found[CALIBRATION, side].points
        off[side] = np.abs(np.subtract(points["predicted"], points["came"])).mean()
        assert min(points["rows"]) >= FEWEST
        assert sum(points["rows"]) == ROWS
    assert off["challenger"] < 0.05
    assert off["champion"] > 0.1


def test_precision_and_recall_are_what_counting_gives(chances: Paired) -> None:
    """Score by score, where there are few; of many, a few hundred are kept, from the first to the last."""
    event, score = chances.target > 0.5, chances.challenger_prediction[:, 0].round(2)
    alarms = [score >= least for least in sorted(set(score.tolist()), reverse=True)]
    points = precision(event, score)
    assert points["recall"] == pytest.approx([(event & alarm).sum() / event.sum() for alarm in alarms], abs=1e-4)
    assert points["precision"] == pytest.approx([event[alarm].mean() for alarm in alarms], abs=1e-4)
    many = named(curves(chances, Binary()))[PRECISION, "challenger"].points
    assert 100 < len(many["recall"]) <= POINTS
    assert (many["recall"][-1], many["precision"][-1]) == (1.0, pytest.approx(event.mean(), abs=1e-3))
    assert np.all(np.diff(many["recall"]) >= 0)


def test_several_classes_are_drawn_by_their_likeliest(chances: Paired) -> None:
    """Calibration is of the class that was named; precision of each row's question about each class."""
    draw = np.random.default_rng(1)
    said = draw.dirichlet((0.5, 0.5, 0.5), ROWS)
    target = np.array([draw.choice(3, p=row) for row in said], float)
    found = named(curves(paired(target, np.full((ROWS, 3), 1 / 3), said), Multiclass(3)))
    points = found[CALIBRATION, "challenger"].points
    assert np.abs(np.subtract(points["predicted"], points["came"])).max() < 0.1
    assert found[CALIBRATION, "champion"].points["predicted"] == [pytest.approx(1 / 3, abs=1e-3)]
    assert found[PRECISION, "champion"].points == {"recall": [1.0], "precision": [pytest.approx(1 / 3, abs=1e-3)]}


def test_numbers_have_residuals_and_quantiles() -> None:
    """A champion that is always 2 too low has residuals of 2, at all of its predictions."""
    draw = np.random.default_rng(2)
    truth = draw.normal(100, 10, ROWS)
    target = truth + draw.normal(0, 1, ROWS)
    found = named(curves(paired(target, (truth - 2)[:, None], truth[:, None]), Regression()))
    assert found[RESIDUALS, "champion"].points["median"] == pytest.approx([2.0] * 12, abs=0.4)
    assert found[RESIDUALS, "challenger"].points["median"] == pytest.approx([0.0] * 12, abs=0.4)
    low, high = (found[RESIDUALS, "challenger"].points[end] for end in ("low", "high"))
    assert np.mean(high) == pytest.approx(1.28, abs=0.15) == -np.mean(low)
    quantiles = found[QUANTILES, "challenger"].points
    assert max(quantiles["target"]) < target.max()  # the largest value is a row's own


def test_few_rows_and_rows_without_a_prediction_are_not_drawn(chances: Paired) -> None:
    """Nor are rows of the past, where there are new ones."""
    few = replace(chances, dataset=np.where(np.arange(ROWS) < FEWEST - 1, NEWEST, "2013-01-01 to 2013-01-31"))
    assert curves(few, Binary()) == ()
    lost = chances.challenger_prediction.copy()
    lost[:100] = np.nan
    assert {curve.rows for curve in curves(replace(chances, challenger_prediction=lost), Binary())} == {ROWS - 100}


@pytest.mark.parametrize("chance", [np.zeros(60), np.repeat([0.0, 1.0], 30), np.repeat([0.2, 0.9], [59, 1])])
def test_predictions_that_are_all_alike_share_a_point(chance: np.ndarray) -> None:
    """No point is of a single row, and none is no number."""
    points = calibration(np.zeros(60, bool), chance)
    assert sum(points["rows"]) == 60
    assert min(points["rows"]) >= FEWEST
    assert np.isfinite(points["predicted"]).all()


def test_without_an_event_there_is_no_precision() -> None:
    """There is nothing to find."""
    assert precision(np.zeros(50, bool), np.linspace(0, 1, 50)) == {"recall": [], "precision": []}
