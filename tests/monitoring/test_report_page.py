"""The HTML report holds names and categories, and runs none of them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sides import compare

from db.verdict_records import DriftColumn, Window
from monitoring.document import POLICY
from monitoring.evidently_report import add_to_timeline
from monitoring.report_page import Checked, report_page, write_report

SCRIPT = "</script><script>document.title='RUN'</script>"
IMAGE = "<img src=x onerror=document.title='RUN'>"


def window(share: float, categories: list[str], names: tuple[str, str] = ("speed", "city")) -> pl.DataFrame:
    """Three hundred rows, a share of them of the first category."""
    random = np.random.default_rng(0)
    rest = (1 - share) / (len(categories) - 1)
    return pl.DataFrame(
        {
            names[0]: random.normal(size=300),
            names[1]: random.choice(
                np.array(categories, dtype=object), 300, p=[share] + [rest] * (len(categories) - 1)
            ),
            "late": random.integers(0, 2, 300).astype(float),
        }
    )


def test_no_category_and_no_name_becomes_markup(tmp_path: Path) -> None:
    """They are text, wherever they stand."""
    names, page = (f"{IMAGE}|speed", "<svg onload=document.title='RUN'>"), tmp_path / "report.html"
    windows = (window(share, [SCRIPT, IMAGE, "\u2028Oslo\x1b[31m", "x" * 5_000], names) for share in (0.2, 0.6))
    verdict = compare(*windows, report=page)
    assert [one.column for one in verdict.columns] == [*names, "late"]
    html = page.read_text()
    assert "document.title" in html
    assert "\x1b" not in html
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "<svg onload" not in html
    assert "x" * 100 not in html


def clean_page(folder: Path) -> Path:
    """The report of rows in which nothing is odd."""
    page = folder / "clean.html"
    windows = (window(share, ["a", "b", "c", "d"]) for share in (0.2, 0.6))
    compare(*windows, report=page)
    return page


def test_names_of_categories_change_no_distance() -> None:
    """What is measured is the same, whatever the categories are called; missing ones stay missing."""
    found = []
    for categories in (["a", "b", "c"], [SCRIPT, "\u2039/script\u203a", IMAGE]):
        windows = [window(share, categories) for share in (0.2, 0.6)]
        windows[0] = windows[0].with_columns(city=pl.when(pl.int_range(pl.len()) > 20).then("city"))
        verdict = compare(*windows)
        found.append([column.score for column in verdict.columns])
    assert found[0] == pytest.approx(found[1])


def test_the_page_lets_nothing_run(tmp_path: Path) -> None:
    """It has no script, allows none, and nothing is fetched from or sent to anywhere."""
    html = clean_page(tmp_path).read_text()
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy == POLICY
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    assert not re.search(r"<script|https?://|\son\w+=|url\(|<link|<iframe", html)


def test_the_page_says_what_was_compared_worst_column_first(tmp_path: Path) -> None:
    """Model and run, both windows with their dates and rows, the verdict, and what matters most on top."""
    columns = (
        DriftColumn("dull", "wasserstein", 0.1, 0.2, drifted=False),
        DriftColumn("city", "jensenshannon", 0.3, 0.1, drifted=True, importance=0.001),
        DriftColumn("speed", "wasserstein", 0.2, 0.1, drifted=True, importance=0.3, remark="it only ever grows"),
        DriftColumn("gone", "missing share", 0.4, 0.1, drifted=True, broken=True),
    )
    start = datetime(2026, 3, 1, tzinfo=UTC)
    windows = (Window(12_345, 60, start, start + timedelta(days=60)), Window(678, 7, start, start + timedelta(days=7)))
    checked = Checked(
        "flights: drift check of run 12", "3 of 4 drifted", columns, *windows, "season", ("gone: is gone",)
    )
    page = tmp_path / "page.html"
    write_report(page, checked, window(0.2, ["a", "b"]), window(0.6, ["a", "b"]))
    text = page.read_text()
    for said in (
        "<title>flights: drift check of run 12</title>",
        "3 of 4 drifted",
        "gone: is gone",
        "12,345 rows in 60 time blocks, 2026-03-01 00:00 to 2026-04-30 00:00 UTC",
        "678 rows in 7 time blocks",
        "it only ever grows",
    ):
        assert said in text
    places = [text.index(f'<th scope="row">{name}</th>') for name in ("gone", "speed", "city", "dull")]
    assert places == sorted(places)
    assert len(page.read_bytes()) < 30_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (np.full(50, np.nan), np.zeros(50)),
        (np.zeros(50), np.zeros(50)),
        (np.array([np.inf, -np.inf, 1.0]), np.array([1e300, -1e300, np.nan])),
        (np.zeros(50), np.full(50, 1.5e308)),
        (np.array([], float), np.array([1.0])),
        (np.array([None, None], object), np.array(["a", None], object)),
        (np.array([1, "1", None], object), np.array([], object)),
        (np.array([True, False]), np.array([1, 7])),
    ],
)
def test_a_page_of_whatever_the_rows_hold(old: NDArray[np.generic], new: NDArray[np.generic]) -> None:
    """Nothing, one value, infinities, numbers beside texts: there is a page, without a warning."""
    for method in ("wasserstein", "jensenshannon"):
        column = DriftColumn("x", method, math.nan, math.nan, drifted=False)
        assert "</html>" in report_page(Checked("t", "r", [column]), {"x": (old, new)})


def test_rows_may_come_from_pandas_too(tmp_path: Path) -> None:
    """The same rows give the same page."""
    columns = [
        DriftColumn("speed", "wasserstein", 0.2, 0.1, True),
        DriftColumn("city", "jensenshannon", 0.2, 0.1, True),
    ]
    windows = [window(share, ["a", "b"]) for share in (0.2, 0.6)]
    first = pl.int_range(pl.len()) < 10
    windows[1] = windows[1].with_columns(pl.when(~first).then(pl.col("city", "speed")))
    for name, frames in (("pandas", [frame.to_pandas() for frame in windows]), ("polars", windows)):
        write_report(tmp_path / f"{name}.html", Checked("t", "r", columns), *frames)
    assert (tmp_path / "pandas.html").read_text() == (tmp_path / "polars.html").read_text()
    assert "missing" in (tmp_path / "polars.html").read_text()


def test_a_page_of_many_columns_stays_small() -> None:
    """Of 300 columns the worst 100 are drawn, and it says so."""
    draw = np.random.default_rng(0)
    columns = [DriftColumn(f"column {n}", "wasserstein", 0.01 * n, 0.5, drifted=n > 50) for n in range(300)]
    page = report_page(Checked("t", "r", columns), {c.column: tuple(draw.normal(size=(2, 500))) for c in columns})
    assert page.count("<figure") == 100
    assert "The worst 100 of 300 columns are drawn" in page
    assert len(page) < 400_000


def test_the_timeline_has_a_project_for_each_model(tmp_path: Path) -> None:
    """Its files are what Evidently's own interface reads; a check is a few kilobytes, and odd names are fine."""
    from evidently.ui.workspace import Workspace

    columns = [DriftColumn(f"{IMAGE}{n}", "wasserstein", n / 10, 0.1, drifted=n > 1) for n in range(25)]
    columns.append(DriftColumn("gone", "missing share", math.nan, 0.1, drifted=True))
    for model, day in (("flights", 1), ("digits", 1), ("flights", 2)):
        at = datetime(2026, 3, day, tzinfo=UTC)
        add_to_timeline(tmp_path, model, name=f"run {day}", at=at, share=0.5, columns=columns)
    opened = Workspace(str(tmp_path))
    assert sorted(project.name for project in opened.list_projects()) == ["digits", "flights"]
    (flights,) = opened.search_project("flights")
    checks = [opened.get_run(flights.id, number) for number in opened.list_runs(flights.id)]
    assert sorted(check.name for check in checks if check) == ["run 1", "run 2"]
    assert all(file.stat().st_size < 5_000 for file in tmp_path.rglob("snapshots/*.json"))
