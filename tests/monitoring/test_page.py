"""The page about a model, and the facts it is made of: whatever the registry holds, there is something true to see."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from a_year import LIMIT, a_year
from arriving import new_registry
from filled import MODEL, START, add_partition, add_version, promote, three_champions
from well_formed import well_formed

from db.registry import ModelRegistry
from db.verdict_records import BlockLoss, DriftColumn, EvaluationMetric, NewDriftCheck, NewPerformanceCheck
from monitoring.drawings import axis, bars, cells, path
from monitoring.forest import scale
from monitoring.loss_charts import promotions_in_words
from monitoring.overview import LiveBlock, Overview, overview
from monitoring.page import ended, monitor_page
from monitoring.sparkline import WIDTH, sparkline
from monitoring.sparkline import bars as text_bars
from monitoring.worst import each_worst, worst_first

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m ftp://me:s/ecret@host/ \"'&"


def checked(page: str) -> str:
    """The page, once it is known to be well-formed, free of scripts, and of the numbers that SVG does not know."""
    well_formed(page)
    for drawn in re.findall(r'\bd="([^"]*)"', page):
        assert re.fullmatch(r"[MLhvlmz\d .eE+-]*", drawn)
        assert "nan" not in drawn
    return page


@pytest.fixture(scope="module")
def sixty_days(tmp_path_factory: pytest.TempPathFactory) -> Overview:
    """What there is to see after sixty days, half of them with a retrain."""
    with new_registry(tmp_path_factory.mktemp("registry") / "registry.db") as registry:
        a_year(registry, days=60, columns=25, every=2)
        return overview(registry, MODEL)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ModelRegistry]:
    """A registry that knows the model, and nothing of it."""
    with new_registry(tmp_path / "registry.db") as registry:
        registry.add_model(MODEL)
        yield registry


def test_a_model_of_which_nothing_is_known(registry: ModelRegistry) -> None:
    """Every section says so."""
    page = checked(monitor_page(overview(registry, MODEL)))
    for said in ("none yet", "not checked yet", "Nothing was scored yet", "Nothing has arrived", "It has not run yet"):
        assert said in page


def test_all_that_matters_is_on_the_page(sixty_days: Overview) -> None:
    """State, losses with their limit, marks, the map with broken columns first, shares, rows, estimates, decisions."""
    page = checked(monitor_page(sixty_days, "3 of 4 held"))
    for said in (
        "2 columns broken",
        "60 blocks, 2013-01-01 to 2013-03-01",
        "1 without a finite loss",
        f"limit {LIMIT:.3g}",
        "rows refused",
        '1,000 new rows (<span class="whole">2013-03-01</span> to ',
        '<span class="whole">2013-03-02</span>) against 30,000 (',
        '<td><span class="whole">',  # the day of a run
        "intervals held it",
        "not shown better: +0.3%",
        "↩v",
    ):
        assert said in page
    places = [page.index(f'<th scope="row">column {number}</th>') for number in (0, 2, 1)]
    assert places == sorted(places)
    assert page.count('class="cross"') == 2


def test_what_is_drawn_is_said(sixty_days: Overview) -> None:
    """Whoever does not see a drawing hears what it shows; whoever sees no colours sees crosses and words."""
    drawings = re.findall(r"<svg[^>]*>", monitor_page(sixty_days))
    assert len(drawings) > 30
    assert all('role="img" aria-label="' in one or 'aria-hidden="true"' in one for one in drawings)


def test_a_year_of_days_is_a_small_page(sixty_days: Overview) -> None:
    """Under 300 KB with 25 columns: what is alike shares a path."""
    days = [timedelta(days=60 * turn) for turn in range(6)]
    blocks = tuple(replace(block, time=block.time + more) for more in days for block in sixty_days.blocks)
    year = replace(
        sixty_days,
        blocks=blocks,
        files=sixty_days.files * 6,
        estimates=sixty_days.estimates * 6,
        promotions=sixty_days.promotions * 2,
        places=sixty_days.places * 2,
    )
    assert len(checked(monitor_page(year)).encode()) < 150_000


def test_nothing_that_data_hold_becomes_markup(registry: ModelRegistry) -> None:
    """Names of columns and files, reasons, remarks: text, without secrets."""
    three_champions(registry)
    promote(registry, 2, HOSTILE)
    run = registry.start_run(MODEL, trigger=HOSTILE).id
    column = DriftColumn(HOSTILE, HOSTILE[:20], 0.3, 0.1, drifted=True, broken=True, remark=HOSTILE)
    missing = DriftColumn(HOSTILE, "missing share", 0.3, 0.1, drifted=True)
    registry.record_drift(NewDriftCheck(run, MODEL, 3, True, 1.0, HOSTILE, HOSTILE, (column, missing)))
    registry.record_performance(NewPerformanceCheck(run, MODEL, 3, "broken", START, HOSTILE, 9, 0.5, 0.4))
    page = checked(monitor_page(overview(registry, MODEL), HOSTILE))
    assert "&lt;script&gt;" in page
    assert "ecret" not in page
    assert "\x1b" not in page


def test_each_block_shows_the_version_that_served_its_rows(registry: ModelRegistry) -> None:
    """Not its challengers, not the one before, and rows of one day that came in two files count together."""
    for number, day in ((1, 1), (2, 2)):
        add_partition(registry, f"p{number}", day)
        add_version(registry, parent=number - 1 or None, trained=[f"p{number}"])
        promote(registry, number)
    parts = [add_partition(registry, name, 3) for name in ("p3", "p4")]
    add_version(registry, parent=2)
    for number, loss, proving in ((1, 0.9, False), (2, 0.5, False), (3, 0.1, True)):
        losses = [
            BlockLoss(part.digest, parts[0].time_from, rows, loss * rows)
            for part, rows in zip(parts, (1, 3), strict=True)
        ]
        registry.record_block_losses(MODEL, number, losses, proving=proving)
    promote(registry, 1, "back")
    seen = overview(registry, MODEL)
    assert seen.blocks == (LiveBlock(parts[0].time_from, 4, pytest.approx((0.5 + 3 * 1.5) / 4), 2),)
    assert seen.places == (parts[0].time_from, parts[0].time_from, None)


def test_of_a_long_past_the_newest_is_shown(sixty_days: Overview) -> None:
    """Promotions from before the first block that is shown are not drawn at its edge."""
    late = replace(sixty_days, blocks=sixty_days.blocks[30:])
    shown = [promotion for promotion, place in late.marks if place]
    assert 0 < len(shown) < len([place for place in sixty_days.places if place])
    page = checked(monitor_page(late))
    assert f"{sum(p.kind != 'rollback' for p, _ in late.marks)} promotions" in page
    assert "M-" not in page
    assert sparkline(late).lines[-1][0].strip()


def losses_of(*losses: float) -> Overview:
    """An overview of nothing but losses, a block a day."""
    blocks = tuple(LiveBlock(START + timedelta(days=day), 10, loss, 1) for day, loss in enumerate(losses))
    return Overview(MODEL, datetime.now(UTC), (), (), (), blocks, (), (), (), (), ())


@pytest.mark.parametrize(
    "losses", [(0.4,), (0.4, 0.4), (math.nan,), (math.inf, 0.5, -math.inf), (1e300, -1e300), (0.0,)]
)
def test_any_losses_can_be_seen(losses: tuple[float, ...]) -> None:
    """One block, equal ones, none that is a number."""
    seen = losses_of(*losses)
    checked(monitor_page(seen))
    drawn = sparkline(seen)
    assert len(drawn.lines[0][0]) == len(losses)
    assert drawn.lines[0][0].count("?") == sum(not math.isfinite(loss) for loss in losses)


def test_a_peak_among_hundreds_of_blocks_is_not_lost() -> None:
    """Where blocks share a mark, the worst of them is shown."""
    drawn = sparkline(losses_of(*[0.4] * 500, 0.9, *[0.4] * 499))
    (line, _), *_ = drawn.lines
    assert len(line) <= WIDTH
    assert line.count("█") == 1
    assert "the worst of each 17 a mark" in drawn.between


def test_a_loss_above_its_limit_is_marked() -> None:
    """Below the line, at its place."""
    seen = losses_of(0.4, 0.6, 0.4)
    seen = replace(seen, blocks=tuple(replace(block, limit=0.5) for block in seen.blocks))
    assert sparkline(seen).lines[1][0] == " ! "
    assert text_bars([[block] for block in seen.blocks]) == "▁█▁"
    assert "1 above the limit of their time" in monitor_page(seen)


def test_worst_means_broken_then_far_above_times_important() -> None:
    """A column that nobody uses says little; one of unknown importance is not hidden."""
    columns = [
        DriftColumn("unused", "w", 9.0, 0.1, drifted=True, importance=0.0),
        DriftColumn("used", "w", 0.2, 0.1, drifted=True, importance=0.3),
        DriftColumn("unknown", "w", 0.3, 0.1, drifted=True),
        DriftColumn("quiet", "w", 0.05, 0.1, drifted=False, importance=0.9),
        DriftColumn("broken", "missing share", 0.2, 0.1, drifted=True, broken=True, importance=0.0),
        DriftColumn("broken", "w", 0.01, 0.1, drifted=False, importance=0.0),
        DriftColumn("shown", "w", 5.0, math.nan, drifted=False),
        DriftColumn("no number", "w", math.nan, 0.1, drifted=True, importance=0.0),
    ]
    names = [column.column for column in worst_first(columns)]
    assert names[:3] == ["broken", "unknown", "used"]
    assert names.index("no number") < names.index("unused") < names.index("quiet")
    worst = each_worst(columns)
    assert [column.method for column in worst if column.column == "broken"] == ["missing share"]
    assert len(worst) == len(columns) - 1


def test_drawings_of_nothing() -> None:
    """No value, no width, no height: nothing is drawn, and nothing fails."""
    assert path([]) == ""
    assert path([(0, math.nan), None]) == ""
    assert cells([]) == []
    assert bars([]) == bars([0, 0]) == bars([math.nan]) == []
    assert 0 < axis([], 100).at(0.5) < 100
    assert axis([3.0], 100).at(3.0) == 50


def test_no_loss_below_zero_is_on_an_axis() -> None:
    """Room is left below the lowest value, but not where no value can be."""
    assert axis([0.1, 9.0], 100).low == 0.0
    assert axis([-0.1, 9.0], 100).low < -0.1
    assert 0 < axis([8.9, 9.0], 100).low < 8.9


def test_a_change_of_a_loss_is_on_an_axis_that_ends_where_all_of_it_is_gone() -> None:
    """A room below -100 % would be one for losses below 0."""
    change = EvaluationMetric("newest", "", "log_loss", 100, 2.0, 0.1, -0.95, -0.97, -0.93, "better")
    assert scale([change]).low == -1.0


def test_one_is_no_plural_and_a_run_that_goes_on_has_no_reason() -> None:
    """What a person reads first is a sentence."""
    one = SimpleNamespace(marks=[(SimpleNamespace(kind="rollback"), None)])
    assert promotions_in_words(one) == "0 promotions, 1 rollback."  # type: ignore[arg-type]
    run = SimpleNamespace(outcome=None, reason=None, started_at=datetime(2026, 3, 1, tzinfo=UTC))
    assert ended(run) == "open, 2026-03-01 00:00 UTC"  # type: ignore[arg-type]
