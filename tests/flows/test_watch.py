"""The watch between retrains: what it finds it tells once, it trains nothing, and it settles no retrain's work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from filled import stored

from db.records import STUCK, NewVersion, RunEnding
from db.registry import ModelRegistry, open_registry
from db.verdict_records import DriftColumn, NewDriftCheck, NewPerformanceCheck
from flows.retrain import retrain
from flows.watch import watch
from learning.spec import ModelSpec, RetrainPolicy
from monitoring.decision import Pending
from monitoring.drift import DriftVerdict
from monitoring.performance import Performance
from settings import Settings
from tasks import emit_events
from tasks.run import Run
from tiny import TINY, Landing

CALM = DriftVerdict(drifted=False, share=0.0, reason="0 of 1 columns drifted", columns=())
SPEED = DriftColumn("speed", "wasserstein", 0.9, 0.1, drifted=True)
DRIFT = DriftVerdict(drifted=True, share=1.0, reason="1 of 1 columns drifted", columns=(SPEED,))
FAULT = replace(SPEED, method="missing share", broken=True)
FAULTY = replace(DRIFT, broken=True, columns=(FAULT,), reason="speed is broken", attention=("speed: 40 % are missing",))
FINE = Performance("in control", None, "the loss is as it was", 9, 0.5, 0.6)
BROKEN = replace(FINE, state="broken", reason="the loss is above its limit")
WAKES = replace(TINY, retrain=RetrainPolicy(when=("performance", "drift")))


class World:
    """What the checks will find, and the events that were emitted."""

    def __init__(self) -> None:
        self.drift, self.performance = CALM, FINE
        self.events: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    def check_drift(self, run: Run, pending: Pending, _comparison: object) -> DriftVerdict:
        """Record what there is, as the step does."""
        found = {name: value for name, value in vars(self.drift).items() if name != "attention"}
        check = NewDriftCheck(run_id=run.id, model=run.model, champion=pending.champion, report_uri=None, **found)
        run.context.registry.record_drift(check)
        run.attention.extend(self.drift.attention)
        return self.drift

    def check_performance(self, run: Run, pending: Pending) -> Performance:
        """Record what there is, as the step does."""
        found = vars(self.performance)
        check = NewPerformanceCheck(run_id=run.id, model=run.model, champion=pending.champion, **found)
        run.context.registry.record_performance(check)
        return self.performance

    def told(self) -> list[str]:
        """The names of the events since the last call."""
        names = [event for event, _, _ in self.events]
        self.events = []
        return names


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A quiet world, in which nothing is compared, predicted or sent."""
    world = World()
    for flow in ("watch", "retrain"):
        monkeypatch.setattr(f"flows.{flow}.begin_drift_check", lambda *_: None)
        monkeypatch.setattr(f"flows.{flow}.score_champion", lambda *_: None)
        monkeypatch.setattr(f"flows.{flow}.check_drift", world.check_drift)
        monkeypatch.setattr(f"flows.{flow}.check_performance", world.check_performance)
    monkeypatch.setattr(
        "tasks.emit_events.emit_event", lambda event, resource, payload: world.events.append((event, resource, payload))
    )
    return world


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    """The registry that the flows write, with a champion that nobody trained."""
    registry = open_registry(home.database_url)
    registry.add_model("tiny")
    head = stored("head", "one")
    registry.register(NewVersion(model="tiny", run_id=None, parent=None, base=stored("base", "one"), head=head))
    registry.promote("tiny", 1, seen=0, kind="bootstrap", actor="test", reason="the first")
    return registry


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModelSpec], None]:
    """Give the model another policy."""
    return lambda spec: monkeypatch.setattr("tasks.run.load_spec", lambda *_: spec)


@pytest.mark.slow
def test_what_is_found_is_recorded_and_told_once(landing: Landing, registry: ModelRegistry, world: World) -> None:
    """A fact that goes on is no news, whatever arrives; a worse one is. Nothing is trained or promoted."""
    landing.land(200)
    world.drift, world.performance = DRIFT, BROKEN
    assert watch("tiny") == "due"
    (broke, drifted) = world.events
    assert [broke[0], drifted[0]] == ["evergreen.performance.broke", "evergreen.drift.found"]
    assert drifted[1] == {"prefect.resource.id": "evergreen.model.tiny", "evergreen.flow": "watch"}
    assert drifted[2] == {"run": 1, "champion": 1, "reason": "1 of 1 columns drifted", "columns": ["speed"]}
    assert world.told()

    assert watch("tiny") == "no new data"
    assert world.told() == []
    landing.land(200)
    assert watch("tiny") == "due"
    assert world.told() == []
    landing.land(200)
    world.drift = replace(DRIFT, columns=(SPEED, replace(SPEED, column="city")))
    assert watch("tiny") == "due"
    assert world.told() == ["evergreen.drift.found"]

    assert [run.decision for run in registry.runs("tiny")] == ["watch", "watch", "skip", "watch"]
    assert str(registry.runs("tiny")[0].reason).startswith("600 labelled rows are pending; 20 are enough")
    assert len(registry.drift_checks("tiny")) == len(registry.performance_checks("tiny")) == 3
    assert len(registry.versions("tiny")) == len(registry.promotions("tiny")) == 1


def test_a_quiet_world_is_no_event(landing: Landing, registry: ModelRegistry, world: World) -> None:
    """Nobody is woken because nothing happened; nor where nothing arrived."""
    assert watch("tiny") == "no new data"
    landing.land(200)
    assert watch("tiny") == "due"  # by its rows: the schedule will see to that
    landing.land(1)
    assert world.told() == []


@pytest.mark.slow
def test_an_alarm_that_had_to_wait_is_told_again_once_a_retrain_is_due(
    landing: Landing, registry: ModelRegistry, world: World, policy: Callable[[ModelSpec], None]
) -> None:
    """The first rows after the world turned are too few for the gate, so that the retrain which they wake waits."""
    policy(WAKES)
    world.drift = DRIFT
    landing.land(10)
    assert watch("tiny") == "waiting"
    assert world.told() == ["evergreen.drift.found"]
    assert "are needed: the gate needs 20" in str(registry.runs("tiny")[0].reason)
    landing.land(5)  # with ten more, all that are pending would judge, in folds
    assert watch("tiny") == "waiting"
    assert world.told() == []
    landing.land(200)
    assert watch("tiny") == "due"
    assert world.told() == ["evergreen.drift.found"]
    landing.land(200)
    assert watch("tiny") == "due"
    assert world.told() == []


@pytest.mark.slow
def test_broken_data_end_a_retrain_before_it_trains(landing: Landing, registry: ModelRegistry, world: World) -> None:
    """The run needs attention, says which column, and is not done again until other data are pending."""
    landing.land(200)
    world.drift = FAULTY
    assert watch("tiny") == "needs attention"
    assert world.told() == ["evergreen.data.broken", "evergreen.drift.found"]

    assert retrain("tiny") == "needs attention"
    assert world.told() == []
    run = registry.runs("tiny")[0]
    assert run.decision == "wait"
    assert str(run.reason).startswith("waiting: the data are broken")
    assert "speed: 40 % are missing" in str(run.reason)
    assert len(registry.versions("tiny")) == 1
    assert [retrain("tiny"), retrain("tiny")] == ["no new data"] * 2

    registry.recall("tiny", registry.partitions("tiny")[0].digest, reason="sensor 4", actor="a person")
    landing.land(10)
    world.drift = CALM
    assert retrain("tiny") == "waiting"


@pytest.mark.slow
def test_a_watch_settles_no_work_of_a_retrain(
    landing: Landing, registry: ModelRegistry, world: World, policy: Callable[[ModelSpec], None]
) -> None:
    """What a retrain decided stays decided, however often both look; what a watch saw is still the retrain's to do."""
    landing.land(10)
    assert watch("tiny") == "waiting"
    assert retrain("tiny") == "waiting"
    for flow in (retrain, watch, retrain, watch, retrain):
        assert flow("tiny") == "no new data"
    assert "which ended waiting" in str(registry.runs("tiny")[0].reason)
    assert len(registry.drift_checks("tiny")) == 2


def test_before_there_is_a_champion_there_is_nothing_to_watch(landing: Landing, home: Settings, world: World) -> None:
    """A schedule that began before the bootstrap fails no run, landing or not, and the reason says what to do."""
    landing.folder.rmdir()
    assert watch("tiny") == "no new data"
    with open_registry(home.database_url) as registry:
        assert "evergreen bootstrap tiny" in str(registry.runs("tiny")[0].reason)


@pytest.mark.slow
def test_a_stuck_model_is_told(
    landing: Landing, registry: ModelRegistry, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the retrain, once it knows."""

    def found_stuck(run: Run, *_: object) -> RunEnding:
        return RunEnding(STUCK, "retrain", "three challengers were refused")

    monkeypatch.setattr("flows.retrain.decide_retrain", found_stuck)
    monkeypatch.setattr("flows.retrain.finetune_challenger", lambda *_: None)
    monkeypatch.setattr("flows.retrain.register_version", lambda *_: None)
    monkeypatch.setattr("flows.retrain.infra_check", NoCheck)
    monkeypatch.setattr("flows.retrain.evaluate_and_promote", found_stuck)
    landing.land(200)
    assert retrain("tiny") == "stuck"
    assert [(event, payload["reason"]) for event, _, payload in world.events] == [
        ("evergreen.model.stuck", "three challengers were refused")
    ]


class NoCheck:
    """No fresh process."""

    def __init__(self, _run: Run) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["no answer", "no way"])
def test_events_that_cannot_be_emitted_change_no_ending(
    fault: str, landing: Landing, registry: ModelRegistry, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry has what was found; a server that is gone is asked for two seconds at most."""
    if fault == "no answer":
        monkeypatch.setattr(emit_events, "unanswered", lambda: ConnectionError("nobody is there"))
    else:
        monkeypatch.setattr(emit_events, "emit_event", lambda *_, **__: 1 / 0)
    landing.land(200)
    world.drift = DRIFT
    assert watch("tiny") == "due"
    assert world.events == []
    assert registry.drift_checks("tiny")[0].drifted
