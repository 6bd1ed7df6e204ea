"""The page of a run in the Prefect UI: Markdown of our own, in which data stay data."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from filled import MODEL, START, add_version, promote

from db.records import RunEnding
from db.registry import open_registry
from db.verdict_records import DriftColumn, EvaluationMetric, NewDriftCheck, NewEvaluation, Window
from tasks.report import summary
from tasks.run import Run

HOSTILE = "<script>alert(1)</script>|`x`\n# [b](javascript:c) ftp://me:s/ecret@host/"


def test_no_name_and_no_category_becomes_markup(tmp_path: Path) -> None:
    """No tag, no link, no code, no row of the table out of its columns; a long category is shown shortly."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        registry.add_model(MODEL)
        number = registry.start_run(MODEL, trigger=HOSTILE).id
        add_version(registry)
        promote(registry, 1, reason=HOSTILE)
        column = DriftColumn(HOSTILE, "wasserstein", 0.1, 0.2, drifted=False)
        registry.record_drift(NewDriftCheck(number, MODEL, 1, False, 0.0, HOSTILE, HOSTILE, (column,)))
        metrics = tuple(
            EvaluationMetric("all", f"city={HOSTILE}{letter * 500}", "log_loss", 9, 1.0, 1.0, 0.0, None, None, "kept")
            for letter in "ab"
        )
        registry.record_evaluation(NewEvaluation(number, MODEL, 1, None, True, HOSTILE, metrics))
        run = cast("Run", SimpleNamespace(id=number, model=MODEL, timings={"load": 1.0}))
        page = summary(registry, run, RunEnding("rejected", "retrain", HOSTILE))
        records = repr((registry.runs(MODEL), registry.promotions(MODEL), registry.run_evaluations(number)[0].reason))
    assert "script&#62;alert" in page
    assert not re.search(r"[<>`\[\]]", page)
    assert "ecret" not in page + records
    for table in re.findall(r"(?:^\|.*\n)+", page + "\n", re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "a" * 100 not in page


def test_a_check_shows_its_windows_and_what_is_broken_first(tmp_path: Path) -> None:
    """From when until when, of how many rows, and what matters; what was only shown stands last."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        registry.add_model(MODEL)
        number = registry.start_run(MODEL, trigger="by hand").id
        add_version(registry)
        columns = (
            DriftColumn("shown", "missing share", 0.5, math.nan, drifted=False, remark="it only grows"),
            DriftColumn("moved", "wasserstein", 0.9, 0.1, drifted=True, importance=0.25),
            DriftColumn("gone", "missing share", 0.4, 0.3, drifted=True, broken=True),
        )
        year, week = (Window(rows, 7, START, START + timedelta(days=6)) for rows in (9_000, 1_000))
        check = NewDriftCheck(number, MODEL, 1, True, 0.5, "drift", "page", columns, True, "season", year, week)
        registry.record_drift(check)
        run = cast("Run", SimpleNamespace(id=number, model=MODEL, timings={}))
        page = summary(registry, run, RunEnding("waiting", "wait", "broken"))
    assert "reference, season: 9,000 rows of 7 time blocks, 2013-01-01 00:00 to 2013-01-07 00:00" in page
    assert "current: 1,000 rows of 7 time blocks" in page
    lines = [line for line in page.splitlines() if line.startswith(("| gone", "| moved", "| shown"))]
    assert lines == [
        "| gone | missing share | 0.400 | 0.300 | **broken** |  |  |",
        "| moved | wasserstein | 0.900 | 0.100 | drifted | +25% |  |",
        "| shown | missing share | 0.500 |  |  |  | it only grows |",
    ]


def test_an_endings_reason_is_fit_for_every_place_that_shows_it() -> None:
    """The registry, Prefect's states and the terminal get the same sentence."""
    reason = RunEnding("failed", "none", HOSTILE + "\x1b[31m" + "x" * 90_000).reason
    assert "ecret" not in reason
    assert "\n" not in reason
    assert "\x1b" not in reason
    assert len(reason) <= 2_000
