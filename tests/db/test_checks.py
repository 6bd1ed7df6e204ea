"""What monitoring found is kept and read back: drift checks, how the champion fared, estimates."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from filled import MODEL, START, three_champions

from db.registry import ModelRegistry
from db.verdict_records import (
    DriftColumn,
    NewDriftCheck,
    NewEstimate,
    NewPerformanceCheck,
    NewScores,
    Window,
)
from errors import UnknownPartition


def test_a_drift_check_reads_back_with_its_columns(registry: ModelRegistry) -> None:
    """Newest check first, columns in alphabetical order."""
    three_champions(registry)
    run = registry.start_run(MODEL, trigger="by hand")
    columns = (
        DriftColumn("speed", "wasserstein", 0.3, 0.1, True),
        DriftColumn("city", "jensenshannon", 0.0, 0.1, False),
    )
    first = registry.record_drift(NewDriftCheck(run.id, MODEL, 3, True, 0.5, "1 of 2", "report.html", columns))
    second = registry.record_drift(NewDriftCheck(None, MODEL, 3, False, math.nan, "nothing to compare", None, ()))

    newest, oldest = registry.drift_checks(MODEL)

    assert (newest.id, oldest.id) == (second, first)
    assert (newest.columns, math.isnan(newest.share), newest.run_id) == ((), True, None)
    assert oldest.columns == (columns[1], columns[0])
    assert (oldest.champion, oldest.drifted, oldest.report_uri) == (3, True, "report.html")
    assert registry.drift_checks(MODEL, limit=1) == (newest,)
    assert registry.drift_checks(MODEL, run_id=run.id) == (oldest,)


def test_a_drift_check_keeps_its_windows_and_what_is_known_of_a_column(registry: ModelRegistry) -> None:
    """Which rows were compared with which, what is broken, and how much the column matters."""
    three_champions(registry)
    column = DriftColumn("speed", "missing share", 0.4, 0.1, True, True, 0.02, "it was never missing")
    windows = (Window(10, 2, START, START + timedelta(days=2)), Window(5, 1, START + timedelta(days=2), START))
    check = NewDriftCheck(None, MODEL, 3, True, 1.0, "broken", None, (column,), True, "season", *windows)
    registry.record_drift(check)
    [found] = registry.drift_checks(MODEL)
    assert (found.columns, found.broken, found.reference_name) == ((column,), True, "season")
    assert (found.reference, found.current) == windows


def test_how_a_champion_fared_reads_back(registry: ModelRegistry) -> None:
    """Newest first; what could not be told is None or NaN."""
    three_champions(registry)
    quiet = NewPerformanceCheck(None, MODEL, 2, "cannot tell", None, "two blocks", 2, math.nan, None)
    broken = NewPerformanceCheck(None, MODEL, 3, "broken", START, "above its limit", 7, 0.9, 0.5)
    ids = [registry.record_performance(check) for check in (quiet, broken)]
    newest, oldest = registry.performance_checks(MODEL)
    assert [oldest.id, newest.id] == ids
    assert (newest.champion, newest.state, newest.since, newest.loss, newest.limit) == (3, "broken", START, 0.9, 0.5)
    assert (oldest.champion, oldest.since, math.isnan(oldest.loss), oldest.limit) == (2, None, True, None)
    assert registry.performance_checks(MODEL, limit=1) == (newest,)
    assert registry.performance_checks(MODEL, run_id=99) == ()


def test_the_first_estimate_of_a_partition_stands_and_meets_what_came(registry: ModelRegistry) -> None:
    """An estimate made when more was known would be none."""
    three_champions(registry)
    for value in (0.4, 0.6):
        registry.record_estimates(MODEL, 1, [NewEstimate("p2", "log_loss", 100, value, 0.3, 0.5)])
    [before] = registry.estimates(MODEL)
    registry.record_scores(MODEL, 1, [NewScores("p2", 90, {"log_loss": 0.45})])
    [after] = registry.estimates(MODEL)
    assert (before.value, before.truth, after.truth, after.number, after.low) == (0.4, None, 0.45, 1, 0.3)
    with pytest.raises(UnknownPartition):
        registry.record_estimates(MODEL, 1, [NewEstimate("p9", "log_loss", 100, 0.4)])
