"""Tests of the online learner as an estimator of River's, and of scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from errors import InvalidSpec
from learning.online_plan import Online

PLAN = Online(replay=64, batch=8, neighbours=3)


def labelled(count: int) -> list[tuple[dict[str, Any], str]]:
    """Rows of names that no schema would take, and words as labels."""
    draw = np.random.default_rng(0)
    rows = [{"size/mm": float(draw.normal()), "town": str(draw.choice(["a", "b"]))} for _ in range(count)]
    return [(row, "big" if row["size/mm"] > 0 else "small") for row in rows]


@pytest.mark.slow
def test_river_evaluates_it_as_one_of_its_own_inside_of_a_pipeline() -> None:
    """Progressive validation takes it, alone and behind a transformer, and so do metrics of classes and of chances."""
    from river import compose, evaluate, metrics, preprocessing

    from learning.online_river import RiverClassifier

    scaled = compose.Select("size/mm") | preprocessing.StandardScaler()
    pipeline = (scaled + compose.Select("town")) | RiverClassifier(PLAN, classes=2)
    assert evaluate.progressive_val_score(labelled(120), pipeline, metrics.Accuracy()).get() > 0.8
    alone = pipeline["RiverClassifier"]
    chances = alone.predict_proba_one({})
    assert set(chances) == {"big", "small"}
    assert sum(chances.values()) == pytest.approx(1)
    with pytest.raises(InvalidSpec, match="new class"):
        alone.learn_one({"size/mm": 0.0}, "middle")
    assert RiverClassifier(PLAN).predict_one({"size/mm": 1.0}) is None


@pytest.mark.slow
def test_river_evaluates_a_regression() -> None:
    """Its metrics of numbers take the regressor."""
    from river import evaluate, metrics

    from learning.online_river import RiverRegressor

    rows = [(row, 1000 + 100 * row["size/mm"]) for row, _ in labelled(100)]
    found = evaluate.progressive_val_score(rows[20:], learned(RiverRegressor(PLAN), rows[:20]), metrics.MAE())
    assert found.get() < 60


def learned(model: Any, rows: list[tuple[dict[str, Any], float]]) -> Any:
    """A model that has learned some rows."""
    for row, label in rows:
        model.learn_one(row, label)
    return model


@pytest.mark.slow
def test_scikit_learn_takes_it() -> None:
    """Classes of any kind, missing values, clones and pipelines work as scikit-learn's own do."""
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from learning.online_sklearn import OnlineClassifier

    draw = np.random.default_rng(0)
    rows = draw.normal(size=(100, 2))
    labels = np.where(rows[:, 0] > 0, "big", "small")
    rows[::9, 1] = np.nan
    model = clone(OnlineClassifier(PLAN))
    with pytest.raises(NotFittedError):
        model.predict(rows)
    with pytest.raises(ValueError, match="classes="):
        model.partial_fit(rows, labels)
    model.partial_fit(rows[:50], labels[:50], classes=["big", "small"]).partial_fit(rows[50:], labels[50:])
    assert model.score(rows, labels) > 0.85
    assert model.predict_proba(rows).shape == (100, 2)
    with pytest.raises(ValueError, match="none of the classes"):
        model.partial_fit(rows[:1], ["middle"])
    with pytest.raises(ValueError, match="2 features"):
        model.predict(rows[:, :1])
    assert make_pipeline(StandardScaler(), OnlineClassifier(PLAN)).fit(rows, labels).score(rows, labels) > 0.85


@pytest.mark.slow
def test_it_passes_the_checks_of_scikit_learn() -> None:
    """Those of parameters, of what was not fitted yet, of the number of columns, and of pickles."""
    from sklearn.utils import estimator_checks as checks

    from learning.online_sklearn import OnlineRegressor

    checks.check_parameters_default_constructible("OnlineRegressor", OnlineRegressor(PLAN))
    for check in (
        checks.check_no_attributes_set_in_init,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_estimators_unfitted,
        checks.check_n_features_in,
        checks.check_estimators_pickle,
    ):
        check("OnlineRegressor", OnlineRegressor(PLAN))
