"""Evidently, in one file: it measures how far two windows are apart, and keeps a timeline of the checks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from db.verdict_records import DriftColumn, Window
from evergreen_client.shown import said
from monitoring.report_page import Checked, write_report
from monitoring.worst import each_worst

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

SHOWN_WORST = 5  # columns of each check on the timeline: all of them make its first page slow
SHARE, DISTANCE = "Share of drifted columns", "Distance of the worst columns"
NAME = 60  # characters


def measure(  # noqa: PLR0913 - what the page says of the rows comes in named words
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: dict[str, str],
    thresholds: dict[str, float],
    report: Path | None = None,
    *,
    title: str = "Drift check",
    windows: tuple[Window | None, Window | None] = (None, None),
) -> list[DriftColumn]:
    """Have Evidently compute each column's distance, and write a page about them if one is wanted.

    Its statistics are called by themselves: in a `Report` four fifths of the time went into plots (docs/adr/0025).

    Args:
        reference: the rows to compare with; at least the compared columns.
        current: the rows that arrived.
        columns: column to distance, "wasserstein" or "jensenshannon".
        thresholds: column to the distance from which it has drifted.
        report: where to write the page; None writes none.
        title: of the page; names the model and the run.
        windows: from when until when the rows are, for the page.
    """
    found = [
        DriftColumn(column, method, score, thresholds[column], score >= thresholds[column])
        for column, method in columns.items()
        for score in [distance(reference[column], current[column], method)]
    ]
    if report is not None:
        drifted = sum(column.drifted for column in found)
        checked = Checked(title, f"{drifted} of {len(found)} columns drifted", found, *windows)
        write_report(report, checked, reference, current)
    return found


def distance(reference: pd.Series, current: pd.Series, method: str) -> float:
    """How far apart two windows' values of a column are; NaN where a window has none.

    Example:
        >>> import pandas as pd
        >>> distance(pd.Series([0.0, 1.0]), pd.Series([1.0, 2.0]), "wasserstein")
        2.0
    """
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Categorical if method == "jensenshannon" else ColumnType.Numerical
    old, new = (side.replace([-np.inf, np.inf], np.nan).dropna() for side in (reference, current))
    if old.empty or new.empty:
        return math.nan
    # The threshold that it is given decides nothing here: it returns the distance beside its own verdict.
    return float(get_stattest(old, new, kind, method)(old, new, kind, 0.0).drift_score)


def add_to_timeline(  # noqa: PLR0913 - the facts of a check, in named words
    workspace: Path, model: str, *, name: str, at: datetime, share: float, columns: Sequence[DriftColumn]
) -> None:
    """Add a check to the timeline that `evidently ui --workspace WORKSPACE` shows, one project a model.

    A few kilobytes each, without any plot: those make Evidently's pages slow after some hundred checks.

    Args:
        workspace: folder of Evidently's own files; it is made where there is none.
        model: name of the model.
        name: of the check.
        at: end of its new rows, so that rows of the past stand in the past.
        share: the share of columns that drifted.
        columns: its measures; the worst columns are shown.
    """
    from evidently.core.report import Snapshot
    from evidently.core.serialization import ReportModel, SnapshotModel
    from evidently.ui.workspace import Workspace

    workspace.mkdir(parents=True, exist_ok=True)
    opened = Workspace.create(str(workspace))
    project = next(iter(opened.search_project(model)), None) or new_project(opened, model)
    results = light_results(share, columns)
    model_of = SnapshotModel(
        report=ReportModel(items=[]),
        name=said(name, NAME),
        timestamp=at,
        metadata={},
        tags=[],
        metric_results=results,
        top_level_metrics=list(results),
        widgets=[],
        tests_widgets=[],
    )
    opened.add_run(project.id, Snapshot.load_model(model_of), include_data=False)


def light_results(share: float, columns: Sequence[DriftColumn]) -> dict[str, Any]:
    """What Evidently would have found, had it our thresholds: share of drifted columns, distances of the worst."""
    from evidently.metrics import DriftedColumnsCount, ValueDrift

    count = DriftedColumnsCount().to_calculation()
    drifted = len({column.column for column in columns if column.drifted})
    found = [(count, count.result(drifted, share))]
    judged = [c for c in columns if math.isfinite(c.score) and c.method in {"wasserstein", "jensenshannon"}]
    for column in each_worst(judged)[:SHOWN_WORST]:
        drift = ValueDrift(column=said(column.column, NAME), method=column.method).to_calculation()
        found.append((drift, drift.result(column.score)))
    for calculation, result in found:
        result.set_metric_location(calculation.to_metric_config())
    return {calculation.id: result for calculation, result in found}


def new_project(workspace: Any, model: str) -> Any:
    """A model's project, with the two charts of its dashboard."""
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    project = workspace.create_project(model)
    share = PanelMetric(metric="DriftedColumnsCount", metric_labels={"value_type": "share"}, legend="share")
    worst = PanelMetric(metric="ValueDrift", legend="{{column}}")
    for title, series in ((SHARE, share), (DISTANCE, worst)):
        project.dashboard.add_panel(line_plot_panel(title, [series]))
    return project
