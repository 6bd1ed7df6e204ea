"""An era that the world has left refuses nobody; one that only came before does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.paired import PROVING, Paired
from learning.prediction import Predictions
from learning.spec import Gate
from tasks import evaluate, past_eras
from tasks.evaluate import judged
from tasks.paired_rows import Meeting, Rows
from tasks.past_eras import eras_left
from tasks.run import Context
from tiny import TINY

SPRING = "spring"
CHAMPION, OLD = 7, 2
DAYS, A_DAY = 7, 40


def named(digest: str) -> Any:
    """A partition."""
    return SimpleNamespace(digest=digest)


ROWS = Rows((named("a"), named("b")), (named("c"),), datetime(2024, 7, 1, tzinfo=UTC))


def about(chance: float, spread: float = 0.01) -> NDArray[np.float64]:
    """What a version says of a week of rows: its days differ a little."""
    days = chance + spread * np.cos(np.arange(DAYS) * 2.0)
    return np.repeat(days, A_DAY)


def blocks(count: int) -> NDArray[np.datetime64]:
    """The day of each row."""
    return np.datetime64("2024-07-01", "us") + (np.arange(count) * DAYS // count) * np.timedelta64(1, "D")


@dataclass
class World:
    """What the versions say of 1 on the new rows, all of which come to 1, and what else is known."""

    chances: Mapping[int, NDArray[np.float64]]
    weight: NDArray[np.float64] | None = None
    learned: tuple[Any, ...] = ()
    readable: bool = True
    asked: list[int] = field(default_factory=list)

    def predicted(self, _context: Context, version: Any, partitions: Any, **how: Any) -> Predictions:
        """A version's predictions of all that is pending."""
        assert (tuple(partitions), how["split"], how["since"]) == (ROWS.new, "all", None)
        self.asked.append(version.number)
        chance = self.chances[version.number].astype("float32").reshape(-1, 1)
        count = len(chance)
        columns = {name: np.zeros(count) for name in how.get("columns", ())}
        places = np.arange(count)
        return Predictions(np.ones(count), chance, 0 * places, places, columns, blocks(count), self.weight)

    def left(self, monkeypatch: pytest.MonkeyPatch, rows: Rows = ROWS, against: Mapping[str, int] | None = None) -> Any:
        """The eras that are left."""
        monkeypatch.setattr(past_eras, "predict_with", self.predicted)
        registry = SimpleNamespace(
            version=lambda _model, number: SimpleNamespace(number=number),
            partly_learned=lambda _model, _number: self.learned,
        )
        context = SimpleNamespace(
            spec=replace(TINY, gate=Gate(min_rows=20, min_events=0)),
            registry=registry,
            readable=lambda _version, partitions: partitions if self.readable else (),
        )
        champion: Any = SimpleNamespace(number=CHAMPION)
        known = {SPRING: OLD} if against is None else against
        return eras_left(cast("Context", context), champion, rows, known)


FAR = {CHAMPION: about(0.8), OLD: about(0.5)}


def test_who_knew_the_era_better_is_wrong_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says which era, by which version, and by how much."""
    found = World(FAR).left(monkeypatch)
    assert set(found) == {SPRING}
    assert "left it: spring (version 2, which knew it better, is worse than the champion" in found[SPRING]
    assert "7 blocks" in found[SPRING]


def test_who_knew_the_era_better_is_as_good_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no other world."""
    assert not World({CHAMPION: about(0.8), OLD: about(0.795)}).left(monkeypatch)


def test_a_noisy_week_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worse on average, and on some days better."""
    assert not World({CHAMPION: about(0.7), OLD: about(0.6, spread=0.35)}).left(monkeypatch)


def test_of_an_era_that_the_champion_knows_best_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a version knew less than the champion says nothing of the world."""
    world = World(FAR)
    assert not world.left(monkeypatch, against={})
    assert not world.asked


def test_rows_that_the_champion_learned_online_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks better there than it is."""
    assert not World(FAR, learned=ROWS.new).left(monkeypatch)


def test_without_a_proving_window_no_era_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out entities of days that the challenger learned say nothing of another time."""
    assert not World(FAR).left(monkeypatch, replace(ROWS, since=None))


def test_a_version_that_cannot_read_what_is_new_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that it takes is gone since."""
    assert not World(FAR, readable=False).left(monkeypatch)


def test_rows_that_weigh_nothing_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do no rows at all."""
    assert not World(FAR, weight=np.zeros(DAYS * A_DAY)).left(monkeypatch)
    nothing = about(0.8)[:0]
    assert not World({CHAMPION: nothing, OLD: nothing}).left(monkeypatch)


@pytest.mark.parametrize("left", [True, False])
def test_a_challenger_that_forgot_an_era_passes_only_where_it_is_left(
    monkeypatch: pytest.MonkeyPatch, *, left: bool
) -> None:
    """It is better on what is new, and far worse on the era."""
    count = DAYS * A_DAY
    before, after = np.concatenate([about(0.6), about(0.8)]), np.concatenate([about(0.8), about(0.4)])
    dataset = np.repeat([PROVING, SPRING], count)
    block = np.tile(blocks(count), 2)
    paired = Paired(np.ones(2 * count), before[:, None], after[:, None], dataset, {}, block=block)
    places = np.arange(2 * count)
    told = Predictions(paired.target, after[:, None].astype("float32"), places // count, places % count, {}, block)
    nothing = SimpleNamespace(
        model_evaluations=lambda *_, **__: (), promises=lambda _: (), record_block_losses=lambda *_, **__: None
    )
    spec = replace(TINY, gate=Gate(min_rows=20, min_events=0))
    context = cast("Context", SimpleNamespace(spec=spec, registry=nothing))
    monkeypatch.setattr(evaluate, "by_block", lambda *_: ())
    monkeypatch.setattr(evaluate, "comparable", lambda *_: True)
    monkeypatch.setattr(evaluate, "eras_left", lambda *_: {SPRING: "the world has left spring"} if left else {})
    versions = SimpleNamespace(number=8), SimpleNamespace(number=CHAMPION, plan={})
    verdict = judged(context, *cast("Any", versions), ROWS, Meeting(paired, told, frozenset(), {SPRING: OLD}))
    assert verdict.passed == left
    assert ("left spring" in verdict.reason, "forgotten on spring" in verdict.reason) == (left, not left)
