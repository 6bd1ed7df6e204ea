"""Folds: who left which rows out, and what they say of them, in the order in which the champion speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from learning.files import ModelFiles, Trained
from learning.fitted import Fitted
from learning.prediction import Predictions
from learning.spec import Gate
from monitoring.decision import Pending
from tasks.finetune import cross_fitted
from tasks.judged_rows import since_the_turn
from tasks.paired_rows import FoldedRows, Rows
from tasks.register_version import Fold

STARTS = tuple(datetime(2024, 1, day, tzinfo=UTC) for day in (1, 3, 5))


def files(name: str) -> ModelFiles:
    """Files that nobody opens."""
    return ModelFiles(Path(name), Path(name), name, name)


def test_each_fold_has_a_challenger_that_learned_all_but_it() -> None:
    """And the refit takes the middle epoch."""
    asked: dict[str, Mapping[str, Any]] = {}

    def train(name: str, **rows: Any) -> Trained:
        asked[name] = rows
        return Trained(files(name), (), (), {}, "", {"head": 3 * len(asked)})

    refit, folds = cross_fitted(STARTS, train)
    assert asked["fold-1"] == {"before": STARTS[0], "after": STARTS[1]}
    assert asked["fold-2"] == {"before": STARTS[1], "after": STARTS[2]}
    assert asked["fold-3"] == {"before": STARTS[2], "after": None}
    assert asked["fold-2-refit"] == {**asked["fold-2"], "refit": {"head": 9}, "fitted": Fitted()}
    assert asked["refit"]["refit"] == {"head": 9}  # of 3, 9 and 15
    assert [(fold.since, fold.until, fold.files) for fold in folds] == [
        (STARTS[0], STARTS[1], files("fold-1-refit")),
        (STARTS[1], STARTS[2], files("fold-2-refit")),
        (STARTS[2], None, files("fold-3-refit")),
    ]
    assert refit.files == files("refit")
    assert refit.plan["folds"] == [start.isoformat() for start in STARTS]


def test_folds_speak_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a fold may lie in any partition: champion and challenger are compared row by row."""
    known = np.array([[0, 0, 1], [0, 1, 3], [1, 0, 0], [1, 1, 2]])  # partition, row, and the row's fold times two

    def predict(_spec: object, found: ModelFiles, _new: object, **_: object) -> Predictions:
        mine = known[(known[:, 2] // 2).astype(str) == found.base_digest]
        return told(mine[:, 0], mine[:, 1], mine[:, 2])

    def told(partition: Any, rows: Any, said: Any) -> Predictions:
        return Predictions(said.astype(float), said[:, None].astype("float32"), partition, rows, {})

    nothing = np.empty(0, "int64")
    monkeypatch.setattr("tasks.paired_rows.predict", predict)
    monkeypatch.setattr(Rows, "predicted", lambda *_: told(nothing, nothing, nothing))
    context: Any = SimpleNamespace(spec=None, partition_files=tuple, settings=SimpleNamespace(cache=Path()))
    version: Any = SimpleNamespace(number=2, base=SimpleNamespace(digest="0"))
    folds = tuple(Fold(STARTS[place], None, files(str(place))) for place in (0, 1))
    rows = FoldedRows((), (), STARTS[0], None, challenger=2, folds=folds)
    found = rows.predicted(context, version)
    assert found.prediction.ravel().tolist() == [1, 3, 0, 2]
    assert "in 2 folds" in rows.remark


@pytest.mark.parametrize(("events", "judge"), [(20, (STARTS[2],)), (19, STARTS)])
def test_the_old_world_judges_nobody_where_the_new_one_has_events_enough(
    monkeypatch: pytest.MonkeyPatch, events: int, judge: tuple[datetime, ...]
) -> None:
    """Who follows the turn would be refused for what is no more."""
    pending = Pending(1, (), "key", folds=STARTS, judged_events=40)
    newer = replace(pending, folds=STARTS[2:], judged_events=events)
    monkeypatch.setattr("tasks.judged_rows.folded", lambda *_: newer)
    context: Any = SimpleNamespace(spec=SimpleNamespace(gate=Gate()))
    assert since_the_turn(context, pending, STARTS[2]).folds == judge
    assert since_the_turn(context, pending, None).folds == STARTS
