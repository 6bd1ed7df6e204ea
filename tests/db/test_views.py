"""The SQL views: what BI tools and people with sqlite3 see."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from filled import MODEL, START, add_version, three_champions

from db.records import EpochMetric, RunEnding
from db.registry import ModelRegistry
from db.verdict_records import (
    DriftColumn,
    EvaluationMetric,
    NewDriftCheck,
    NewEstimate,
    NewEvaluation,
    NewPerformanceCheck,
    NewScores,
    Window,
)
from db.views import VIEWS

Query = Callable[[str], list[tuple[object, ...]]]
GUIDE = (Path(__file__).parents[2] / "docs" / "registry.md").read_text()


@pytest.fixture
def filled(registry: ModelRegistry) -> ModelRegistry:
    """Three champions, a rejected challenger, a drift check, a recall and a rollback."""
    three_champions(registry)
    run = registry.start_run(MODEL, trigger="by hand")
    columns = (
        DriftColumn("speed", "wasserstein", 0.3, 0.1, True),
        DriftColumn("city", "jensenshannon", 0.0, 0.1, False),
    )
    windows = (Window(500, 5, START, START + timedelta(days=5)), Window(100, 1, START + timedelta(days=5), START))
    check = NewDriftCheck(run.id, MODEL, 3, True, 0.5, "1 of 2", None, columns, False, "season", *windows)
    registry.record_drift(check)
    fared = NewPerformanceCheck(run.id, MODEL, 3, "broken", START, "above its limit", 7, 0.9, 0.5)
    registry.record_performance(fared)
    registry.record_estimates(MODEL, 1, [NewEstimate("p2", "log_loss", 100, 0.5, 0.25, 0.625)], run.id)
    registry.record_scores(MODEL, 1, [NewScores("p2", 90, {"log_loss": 0.75})])
    curve = (EpochMetric("head", 1, "loss", 0.7),)
    add_version(registry, parent=3, run_id=run.id, epochs=curve, reason="1 epoch, the best")
    loss = EvaluationMetric("newest", "", "log_loss", 100, 0.5, 0.6, 0.2, 0.1, 0.3, "worse")
    auc = EvaluationMetric("newest", "", "auc", 100, 0.7, 0.6, -0.1, None, None, "shown")
    registry.record_evaluation(NewEvaluation(run.id, MODEL, 4, 3, False, "worse", (loss, auc)))
    registry.finish_run(run.id, RunEnding("rejected", "retrain", "worse"), work_key="k")
    registry.recall(MODEL, "p3", reason="wrong zone", actor="me")
    registry.rollback(MODEL, actor="me", reason="p3 was wrong")
    return registry


def test_champion(filled: ModelRegistry, query: Query) -> None:
    """One row a model."""
    assert query("SELECT model, version, sequence, kind, reason FROM champion") == [
        (MODEL, 2, 4, "rollback", "p3 was wrong")
    ]


def test_version_history(filled: ModelRegistry, query: Query) -> None:
    """One row a version, with the figure that decided."""
    rows = query(
        "SELECT version, parent, reason, passed, verdict, against, metric, value, delta, is_champion "
        "FROM version_history ORDER BY version"
    )
    assert rows[1] == (2, 1, None, None, None, None, None, None, None, True)
    assert rows[3] == (4, 3, "1 epoch, the best", False, "worse", 3, "log_loss", 0.6, 0.2, False)
    assert len(rows) == 4
    add_version(filled, parent=1, refit_of=4)
    assert query("SELECT version, refit_of FROM version_history WHERE refit_of IS NOT NULL") == [(5, 4)]


def test_learning_curves(filled: ModelRegistry, query: Query) -> None:
    """One row a point, so that a BI tool can draw a line each."""
    rows = query("SELECT version, stage, epoch, name, value FROM learning_curves WHERE model = 'flights'")
    assert rows == [(4, "head", 1, "loss", 0.7)]


def test_promotion_history(filled: ModelRegistry, query: Query) -> None:
    """Each ends when the next begins; the last one has not ended."""
    rows = query("SELECT version, kind, since, until FROM promotion_history ORDER BY sequence")
    assert [row[:2] for row in rows] == [(1, "bootstrap"), (2, "promote"), (3, "promote"), (2, "rollback")]
    assert [row[3] for row in rows] == [row[2] for row in rows[1:]] + [None]


def test_drift_timeline(filled: ModelRegistry, query: Query) -> None:
    """One row a column, so that a BI tool can draw a line each."""
    rows = query("SELECT champion, check_drifted, column_name, score, drifted FROM drift_timeline ORDER BY column_name")
    assert rows == [(3, True, "city", 0.0, False), (3, True, "speed", 0.3, True)]


def test_drift_timeline_says_which_rows_were_compared(filled: ModelRegistry, query: Query) -> None:
    """On every line of a check."""
    rows = query("SELECT reference_name, reference_rows, current_rows, check_broken, broken FROM drift_timeline")
    assert rows == [("season", 500, 100, False, False)] * 2


def test_performance_timeline(filled: ModelRegistry, query: Query) -> None:
    """One row a check."""
    assert query("SELECT champion, state, blocks, loss, loss_limit FROM performance_timeline") == [
        (3, "broken", 7, 0.9, 0.5)
    ]


def test_estimate_error(filled: ModelRegistry, query: Query) -> None:
    """What was estimated, beside what came as soon as it has come."""
    filled.record_estimates(MODEL, 1, [NewEstimate("p3", "log_loss", 100, 0.4)])
    rows = query("SELECT version, partition, estimated, came, error, held FROM estimate_error ORDER BY time_from")
    assert rows == [(1, "p2", 0.5, 0.75, -0.25, False), (1, "p3", 0.4, None, None, None)]


def test_run_history(filled: ModelRegistry, query: Query) -> None:
    """What a run decided, and the version it made."""
    assert query("SELECT trigger, decision, outcome, version FROM run_history") == [
        ("by hand", "retrain", "rejected", 4)
    ]


def test_lineage(filled: ModelRegistry, query: Query) -> None:
    """What a version and each of its ancestors learned, as what, and what of it was recalled."""
    rows = query(
        "SELECT learned_by, distance, partition, recalled_because FROM lineage WHERE version = 4 ORDER BY learned_by"
    )
    assert rows == [(1, 3, "p1", None), (2, 2, "p2", None), (3, 1, "p3", "wrong zone")]
    add_version(filled, partly=("p2",))
    assert query("SELECT role, partition FROM lineage WHERE version = 5") == [("partly", "p2")]


def test_the_guide_explains_every_column(filled: ModelRegistry, query: Query) -> None:
    """And no column that is not there."""
    for view in VIEWS:
        section = GUIDE.split(f"**{view}**")[1].split("\n**")[0].split("\n#")[0]
        explained = [
            name for line in re.findall(r"^\| ([a-z0-9_, ]+?) \|", section, re.MULTILINE) for name in line.split(", ")
        ]
        query(f"SELECT {', '.join(name for name in explained if name != 'column')} FROM {view}")
        found = filled.engine.connect()
        with found:
            columns = found.exec_driver_sql(f"SELECT * FROM {view}").keys()
        assert sorted(columns) == sorted(name for name in explained if name != "column")


def test_the_lines_of_the_guide_run(filled: ModelRegistry, query: Query) -> None:
    """Each gives at least one row on a registry that has been used."""
    lines = re.findall(r'^sqlite3 -box \S+ "(.+)"$', GUIDE, re.MULTILINE)
    assert len(lines) == len(VIEWS)
    for line in lines:
        assert query(line), line
