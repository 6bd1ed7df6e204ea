"""What a challenger is trained with: the model's own plan, or more of it where the world turned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from filled import MODEL, START, add_partition, add_version, promote, stored

from db.registry import ModelRegistry, open_registry
from learning.escalation import escalated
from learning.regression import Regression
from learning.spec import FromScratch, RetrainPolicy
from monitoring.decision import Pending
from tasks.finetune import plan_for
from tiny import TINY

LADDER = replace(TINY, name=MODEL, retrain=RetrainPolicy(escalate=("recent replay", "thaw")))
TURNED = START.replace(day=3)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ModelRegistry]:
    """Version 1 learned day 1, version 2 day 2 on the same base."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        registry.add_model(MODEL)
        registry.start_run(MODEL, trigger="test")
        for number in (1, 2):
            add_partition(registry, f"p{number}", day=number)
            add_version(registry, parent=number - 1 or None, trained=[f"p{number}"])
            promote(registry, number)
        yield registry


def plan(registry: ModelRegistry, champion: int = 2, spec: Any = LADDER, **asked: Any) -> Any:
    """The plan after a turn of the world on day 3."""
    context: Any = cast("Any", SimpleNamespace(spec=spec, registry=registry))
    return plan_for(context, Pending(champion, registry.pending(MODEL, champion), "key", **asked), TURNED)


def test_a_base_from_before_the_turn_learns_too_where_the_ladder_says_so(registry: ModelRegistry) -> None:
    """At once; without a turn, or a rung for it, the base stays."""
    assert plan(registry) is LADDER.finetune  # nothing of it has arrived yet
    add_partition(registry, "p3", day=3)
    assert plan(registry) == escalated(LADDER, 2)
    assert plan(registry, spec=replace(LADDER, retrain=RetrainPolicy())) is LADDER.finetune
    assert plan_for(cast("Any", SimpleNamespace(spec=LADDER)), Pending(2, (), "key"), None) is LADDER.finetune
    add_version(registry, parent=2, trained=["p3"])
    assert plan(registry, 3) == escalated(LADDER, 2)  # the head alone has seen it
    add_version(registry, parent=2, trained=["p3"], base=stored("base", "thawed"))
    assert plan(registry, 4) is LADDER.finetune


@pytest.mark.parametrize(("learned", "known", "again"), [(1, 2, True), (3, 4, False), (7, 9, False), (7, 10, True)])
def test_a_base_learns_again_when_enough_more_is_known(
    registry: ModelRegistry, learned: int, known: int, again: bool
) -> None:
    """From 1.41 times the days on; numbers, of which none is rare."""
    for day in range(3, 3 + known):
        add_partition(registry, f"p{day}", day=day)
    of_days = [f"p{day}" for day in range(3, 3 + learned)]
    add_version(registry, parent=2, trained=of_days, base=stored("base", "thawed"))
    spec = replace(LADDER, objective=Regression())
    assert plan(registry, 3, spec) == (escalated(spec, 2) if again else spec.finetune)


@pytest.mark.parametrize(("events", "again"), [(19, True), (21, False)])
def test_a_base_of_few_events_is_learned_again_with_every_arrival(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch, events: int, again: bool
) -> None:
    """Twenty is what a quarter has five of: of three days with fewer, the fourth is no time for the head alone."""
    for day in (3, 4, 5, 6):
        add_partition(registry, f"p{day}", day=day)
    add_version(registry, parent=2, trained=["p3", "p4", "p5"], base=stored("base", "thawed"))
    seen = SimpleNamespace(target=np.array([1.0] * events + [0.0] * 900))
    monkeypatch.setattr("tasks.finetune.select", lambda *_, **__: [seen])
    opened: list[str] = []
    context: Any = SimpleNamespace(
        spec=LADDER,
        registry=registry,
        partition_files=lambda partitions: opened.extend(partition.digest for partition in partitions),
    )
    pending = Pending(3, registry.pending(MODEL, 3), "key")
    assert plan_for(context, pending, TURNED) == (escalated(LADDER, 2) if again else LADDER.finetune)
    assert opened == ["p3", "p4", "p5"]  # what is older than the turn is not fetched for it
    context.spec, opened[:] = replace(LADDER, objective=Regression()), ()
    assert plan_for(context, pending, TURNED) == LADDER.finetune
    assert not opened  # of numbers none is rare


@pytest.mark.parametrize("folds", [(), (TURNED,)])
def test_too_few_events_for_a_window_choose_no_start(registry: ModelRegistry, folds: tuple[datetime, ...]) -> None:
    """What base and head begin with is said by rows held back."""
    add_partition(registry, "p3", day=3)
    spec = replace(LADDER, retrain=RetrainPolicy(escalate=("from scratch",)))
    assert plan(registry, spec=spec, folds=folds) == FromScratch(warm_start=not folds)
    context: Any = cast("Any", SimpleNamespace(spec=spec, registry=registry))
    assert plan_for(context, Pending(2, (), "key", stuck=3), None) == FromScratch()  # it has learned what is held back
    spec = replace(spec, finetune=FromScratch(warm_start=True))
    assert plan(registry, spec=spec, asked="from scratch") == FromScratch()


def test_what_a_person_asks_for_goes_first(registry: ModelRegistry) -> None:
    """Base and head from nothing."""
    assert plan(registry, asked="from scratch") == FromScratch()


def test_three_stuck_challengers_are_a_step_up_the_ladder(registry: ModelRegistry) -> None:
    """Two may be chance."""
    context: Any = cast("Any", SimpleNamespace(spec=LADDER, registry=registry))
    plans = [plan_for(context, Pending(2, (), "key", stuck=stuck), None) for stuck in (2, 3, 6)]
    assert plans == [escalated(LADDER, level) for level in (0, 1, 2)]
