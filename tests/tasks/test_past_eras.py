"""An era that the world has left, step by step, refuses nobody; one that only came before does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from learning.prediction import Predictions
from learning.spec import Gate
from tasks import past_eras
from tasks.paired_rows import Rows
from tasks.past_eras import left_behind
from tasks.run import Context
from tiny import TINY

SPRING, SUMMER = "spring", "summer"
CHAMPION, OLD = 7, 2
DAYS = 7


def named(digest: str) -> Any:
    """A partition."""
    return SimpleNamespace(digest=digest)


ROWS = Rows((named("a"), named("b")), (named("c"),), datetime(2024, 7, 1, tzinfo=UTC))
ERAS = {"a": SPRING, "b": SUMMER}


def asked_about(
    chances: Mapping[int, np.ndarray[Any, Any]],
    monkeypatch: pytest.MonkeyPatch,
    rows: Rows = ROWS,
    *,
    readable: bool = True,
) -> Any:
    """The eras that are left, where each version says of 1 on the new rows, all of which come to 1."""
    count = len(chances[CHAMPION])
    day = np.arange(count) * DAYS // count
    block = np.datetime64("2024-07-01", "us") + day * np.timedelta64(1, "D")

    def predicted(_context: Context, version: Any, partitions: Any, **_how: Any) -> Predictions:
        assert partitions == rows.new
        places = np.arange(count)
        chance = chances[version.number].astype("float32").reshape(-1, 1)
        return Predictions(np.ones(count), chance, np.zeros(count, "int64"), places, {}, block)

    monkeypatch.setattr(past_eras, "predict_with", predicted)
    registry = SimpleNamespace(
        learners=lambda _model, _number: {"a": OLD, "b": CHAMPION},
        version=lambda _model, number: SimpleNamespace(number=number, plan={}),
    )
    spec = replace(TINY, gate=Gate(min_rows=20, min_events=0))
    context = cast(
        "Context",
        SimpleNamespace(
            spec=spec, registry=registry, readable=lambda _version, partitions: partitions if readable else ()
        ),
    )
    champion: Any = SimpleNamespace(number=CHAMPION)
    return left_behind(context, champion, rows, ERAS, (SPRING, SUMMER))


def about(chance: float, spread: float = 0.01) -> np.ndarray[Any, Any]:
    """What a version says of a week of rows: its days differ a little."""
    days = chance + spread * np.cos(np.arange(DAYS) * 2.0)
    return np.repeat(days, 40)


def test_what_was_known_then_is_wrong_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version of spring is far worse than the champion; summer is what the champion itself has learned."""
    assert asked_about({CHAMPION: about(0.8), OLD: about(0.5)}, monkeypatch) == {SPRING}


def test_what_was_known_then_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version is as good as the champion: what came after was another season, and no other world."""
    assert not asked_about({CHAMPION: about(0.8), OLD: about(0.795)}, monkeypatch)


def test_a_noisy_week_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worse on average, and on some days better."""
    assert not asked_about({CHAMPION: about(0.7), OLD: about(0.6, spread=0.35)}, monkeypatch)


def test_without_a_proving_window_no_era_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out entities of days that the challenger learned say nothing of another time."""
    far = {CHAMPION: about(0.8), OLD: about(0.5)}
    assert not asked_about(far, monkeypatch, replace(ROWS, since=None))


def test_a_version_that_cannot_read_what_is_new_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that it takes is gone since."""
    assert not asked_about({CHAMPION: about(0.8), OLD: about(0.5)}, monkeypatch, readable=False)
