"""The page of a backtest: what to read first, in a file of bounded size that asks nobody for anything."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from replayed import drifting, replay, usual
from well_formed import well_formed

from evaluation.backtest_report import report
from evaluation.backtests import Backtest
from monitoring.backtest_page import POLICIES, backtest_page
from monitoring.backtest_plots import breaks_of

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m ftp://me:s/ecret@host/ $\\frac$ \"'&"


def renamed(backtest: Backtest, number: int, name: str) -> Backtest:
    """The same with another name for one policy."""
    policies = list(backtest.policies)
    policies[number] = replace(policies[number], policy=name, overrides={"retrain.every": name})
    return replace(backtest, policies=tuple(policies))


def test_the_advice_stands_first_and_figures_below_it() -> None:
    """A reader has the sentence before any table, the present policy marked, and every cost."""
    backtest = replay(drifting, usual())
    seen = report(backtest, 30.0)
    page = well_formed(backtest_page(seen))
    assert page.index("Retrain less often, by four-weekly") < page.index("<table")
    assert "1. weekly (present)" in page
    assert "exact plan: retrains" in page
    assert "constant (no model)" in page
    assert "All of them had as many labels: 28,000." in page
    assert page.count("<svg") == 2 + 1 + 2 * 3  # two costs that differ, the present policy, and the others twice
    assert not re.search(r"https?://|url\(|@import|nan", page)


def test_names_are_text_and_nothing_else() -> None:
    """A policy's name or value becomes no markup, steers nothing, and gives no secret away."""
    backtest = renamed(replay(drifting, usual(), weeks=8), 1, HOSTILE)
    page = well_formed(backtest_page(report(replace(backtest, model=HOSTILE))))
    assert "<script" not in page
    assert "s/ecret" not in page
    assert "\x1b" not in page


@pytest.mark.slow
def test_very_many_policies_stay_a_page() -> None:
    """All are in the table, those with the lowest loss are drawn, and the rest are counted."""
    plans = {f"every {length}": range(length, 11, length) for length in range(1, 11)} | usual(10)
    page = well_formed(backtest_page(report(replay(drifting, plans, weeks=10))))
    assert f"{len(plans) - POLICIES} more policies" in page
    assert all(f"{name}<" in page or f"{name} (present)" in page for name in plans)
    assert len(page) < 250_000


def test_a_backtest_of_nothing_is_a_page_too() -> None:
    """Where nothing was scored yet, the page says that it cannot tell."""
    backtest = replay(drifting, usual(1), weeks=1)
    empty = replace(
        backtest, policies=tuple(replace(one, scores=()) for one in backtest.policies), baselines={}, crossed=()
    )
    for one in (backtest, empty):
        assert "Cannot tell" in well_formed(backtest_page(report(one)))


def test_where_the_world_turned_is_marked() -> None:
    """The chart that watches a champion finds the week in a policy's own losses."""
    turned = replay(lambda week, trained_at: 0.5 + 0.3 * (week >= 21 > trained_at), usual())
    weekly = turned.policy("never")
    assert [f"{one:%Y-%m-%d}" for one in breaks_of(weekly)] == ["2024-05-20"]
    assert breaks_of(replay(drifting, usual()).policy("weekly")) == []
