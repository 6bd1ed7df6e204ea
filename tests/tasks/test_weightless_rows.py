"""Rows of weight 0 are scored and judge nothing."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from filled import MODEL
from served import Place

from db.registry import open_registry
from errors import NotEnoughData
from evaluation.decisive import filled
from learning.objectives import Regression
from learning.prediction import Predictions
from monitoring.decision import Pending
from monitoring.track_record import CONSTANT
from tasks import paired_rows
from tasks.paired_rows import Rows, meet
from tasks.score_champion import score_pending
from tiny import TINY

WEIGHED = replace(TINY, name=MODEL, schema=replace(TINY.schema, weight="worth"))


def test_an_arrival_with_rows_of_weight_0_is_scored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By weighted means, beside the constant that is usual by weight."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        place.spec = WEIGHED
        first, arrived = place.arrive(0, [1.0, 0.0, 0.0, 0.0] * 25), place.arrive(1, [1.0, 0.0] * 20)
        place.promote(1, trained=[first.digest])
        for digest, weight in ((first.digest, 1 + 2 * pl.col("late")), (arrived.digest, pl.col("late"))):
            path = tmp_path / f"{digest}.parquet"
            pl.read_parquet(path).with_columns(worth=weight).write_parquet(path)
        for _ in range(2):
            score_pending(place.context, place.run, Pending(1, (arrived,), "key"))
        assert place.predicted == [1]
        scores = {score.metric: (score.rows, score.value) for score in registry.scores(MODEL)}
        assert scores["log_loss"] == (40, pytest.approx(-log(0.1), rel=1e-6))
        assert scores[CONSTANT] == (40, pytest.approx(log(2)))


class Weightless(Rows):
    """Three held-out rows, all of weight 0."""

    def predicted(self, *_: Any) -> Predictions:
        """What a version says of them."""
        none = np.zeros(3)
        return Predictions(none, none[:, None].astype("float32"), none.astype("int64"), np.arange(3), {}, None, none)


def test_rows_that_all_weigh_nothing_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first version cannot be judged by them, and a sentence says so."""
    monkeypatch.setattr(paired_rows, "start_tensorflow", lambda: None)
    context: Any = SimpleNamespace(registry=None, spec=WEIGHED)
    version: Any = None
    with pytest.raises(NotEnoughData, match="3 labelled rows of weight 0"):
        meet(context, version, None, Weightless((), ()))


def test_a_row_without_a_prediction_has_the_weighted_constant() -> None:
    """As everything that it is compared with."""
    target, said = np.array([1.0, 5.0]), np.array([[np.nan], [2.0]])
    assert filled(Regression(), target, said, np.array([3.0, 1.0])).tolist() == [[2.0], [2.0]]
