"""The HTML report holds names and categories, and runs none of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sides import compare

from monitoring.report_page import labels

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
    """What a script element holds is ended by `</script`, wherever it stands."""
    names, page = (f"{IMAGE}|speed", "<svg onload=document.title='RUN'>"), tmp_path / "report.html"
    windows = (window(share, [SCRIPT, IMAGE, "\u2028Oslo\x1b[31m", "x" * 5_000], names) for share in (0.2, 0.6))
    verdict = compare(*windows, report=page)
    assert [one.column for one in verdict.columns] == [*names, "late"]
    html = page.read_text()
    assert "document.title" in html
    assert "<script>document" not in html
    assert "<img src=x" not in html
    assert "<svg onload" not in html
    assert "x" * 100 not in html
    assert len(re.findall("<script>", html)) == len(re.findall("<script>", clean_page(tmp_path).read_text()))


def clean_page(folder: Path) -> Path:
    """The report of rows in which nothing is odd."""
    page = folder / "clean.html"
    windows = (window(share, ["a", "b", "c", "d"]) for share in (0.2, 0.6))
    compare(*windows, report=page)
    return page


def test_labels_change_no_distance() -> None:
    """What is measured is the same, whatever the categories are called; missing ones stay missing."""
    found = []
    for categories in (["a", "b", "c"], [SCRIPT, "\u2039/script\u203a", IMAGE]):
        windows = [window(share, categories) for share in (0.2, 0.6)]
        windows[0] = windows[0].with_columns(city=pl.when(pl.int_range(pl.len()) > 20).then("city"))
        verdict = compare(*windows)
        found.append([column.score for column in verdict.columns])
    assert found[0] == pytest.approx(found[1])


def test_two_values_never_share_a_label() -> None:
    """Or they would be one category to the drift check."""
    values = ["<a", "\u2039a", "\u2039a (2)", "\x1b", r"\x1b", *(f"{'x' * 80}{number}" for number in range(50))]
    assert len(set(labels(values).values())) == len(values)


def test_the_page_lets_nothing_else_run(tmp_path: Path) -> None:
    """It names the scripts that it came with: no handler, no other script runs, and nothing is sent anywhere."""
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', clean_page(tmp_path).read_text())
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
