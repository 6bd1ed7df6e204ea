"""A model of numbers whose loss is changed runs on: figures of another loss are no track record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filled import MODEL, add_version, promote
from served import Place

from db.registry import open_registry
from learning.changes import MADE_FOR, comparable, made_for
from learning.regression import Regression
from learning.spec import ModelSpec, MultiOutput, Output
from monitoring.decision import Pending
from monitoring.overview import overview
from monitoring.served import answered
from monitoring.track_record import live_track, world_turned
from tasks.check_performance import performance_of
from tasks.score_champion import score_pending

OTHERS = [Regression(loss="huber", delta=2.0), Regression(quantile=0.9), Regression(loss="mean_absolute_error")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Version 1 was judged by squared errors, and has served a day."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        place.spec = replace(place.spec, objective=Regression())
        register(place, 1, place.arrive(0, [0.0, 9.0] * 20).digest)
        score(place, 1, day=1)
        yield place


def register(place: Place, number: int, trained: str) -> None:
    """Register a version as a run does, made for the spec of now, and promote it."""
    plan = json.loads(json.dumps({MADE_FOR: made_for(place.spec)}))
    add_version(place.registry, parent=number - 1 or None, trained=[trained], plan=plan)
    promote(place.registry, number)


def score(place: Place, champion: int, day: int) -> str:
    """Let a day arrive, and score the champion on it."""
    arrived = place.arrive(day, [0.0, 9.0] * 20)
    score_pending(place.context, place.run, Pending(champion, (arrived,), f"key {day}"))
    return arrived.digest


@pytest.mark.parametrize("objective", OTHERS, ids=repr)
def test_a_model_goes_on_after_its_loss_was_changed(place: Place, objective: Regression) -> None:
    """Checks and meetings read the old scores, which have no figure of that name."""
    place.spec = replace(place.spec, objective=objective)
    assert not comparable(place.registry.version(MODEL, 1).plan[MADE_FOR], place.spec)
    assert performance_of(place.context).state
    assert world_turned(place.registry, place.spec) is None


@pytest.mark.parametrize("objective", OTHERS, ids=repr)
def test_losses_of_two_kinds_never_share_a_chart(place: Place, objective: Regression) -> None:
    """Once a version of the new loss serves, the chart begins anew."""
    place.spec = replace(place.spec, objective=objective)
    digest = score(place, 1, day=2)
    register(place, 2, digest)
    score(place, 2, day=3)
    losses, _ = live_track(place.registry, place.spec)
    assert [(one.version, one.block.day) for one in losses] == [(2, 4)]
    assert len(overview(place.registry, MODEL).blocks) == 1


def test_another_target_of_a_later_output_is_another_answer(place: Place) -> None:
    """Its losses share no chart with those of before; a model of one output is known as it was."""

    def known(spec: ModelSpec) -> object:
        return answered(json.loads(json.dumps({MADE_FOR: made_for(spec)})))

    def two(target: str) -> ModelSpec:
        first = Output("first", Regression(), place.spec.schema.target)
        return replace(place.spec, objective=MultiOutput((first, Output("second", Regression(), target))))

    assert known(two("minutes")) == known(two("minutes")) != known(two("seconds"))
    assert known(place.spec) == (place.spec.schema.target, "Regression", "mean_squared_error", None, None)
