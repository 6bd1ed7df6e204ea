"""The check says how the champion fares, and keeps what it said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from filled import MODEL
from served import Place

from db.records import RunEnding
from db.registry import open_registry
from monitoring.decision import Pending
from tasks.check_performance import check_performance, performance_of
from tasks.report import summary
from tasks.run import Run
from tasks.score_champion import score_pending


def test_a_turned_world_is_found_recorded_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From too few blocks to control, and from there to a break."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        place.promote(1, trained=[place.arrive(0, [0.0] * 19 + [1.0]).digest])
        run = cast("Run", SimpleNamespace(id=place.run, model=MODEL, context=place.context, timings={}))
        states = list[str]()
        for week in range(9):
            share = 2 + week % 2 if week < 8 else 20
            one = place.arrive(1 + 7 * week, ([1.0] * share + [0.0] * (20 - share)) * 7, days=7)
            pending = Pending(1, (one,), "key")
            score_pending(place.context, place.run, pending)
            states.append(check_performance.fn(run, pending).state)
        assert states == [*["cannot tell"] * 5, *["in control"] * 3, "broken"]
        newest = registry.performance_checks(MODEL)[0]
        assert (newest.state, newest.since, newest.blocks) == ("broken", one.time_from, 63)
        assert performance_of(place.context).reason == newest.reason
        page = summary(registry, run, RunEnding("waiting", "wait", "so"))
        assert "## Performance\n\nbroken: loss" in page
