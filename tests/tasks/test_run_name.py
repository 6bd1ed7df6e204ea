"""What a run is called once it ended, and who is said to have started it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest
from filled import MODEL, add_partition, add_version
from prefect.client.schemas.objects import CreatedBy, FlowRun
from prefect.context import FlowRunContext

from db.records import RunEnding
from db.registry import ModelRegistry, open_registry
from db.verdict_records import NewEvaluation
from settings import Settings
from tasks.run_name import ended_name, more_of, period, trigger

REJECTED = RunEnding("rejected", "retrain", "whatever")


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """A registry with a model, and versions 1 and 2 of it."""
    with open_registry(home.database_url) as registry:
        registry.add_model(MODEL)
        add_version(registry)
        add_version(registry, parent=1)
        yield registry


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("forgotten on era 1 (+9.1% on 55 blocks), although better so far", "flights · rejected · forgotten"),
        ("too slow: in a fresh process, it took 4 times as long", "flights · rejected · too slow"),
        ("not shown better: log_loss 0.51 to 0.52", "flights · rejected · not better"),
        ("a sentence that is new", "flights · rejected"),
    ],
)
def test_a_rejected_run_says_why_in_a_word(registry: ModelRegistry, reason: str, name: str) -> None:
    """The word of the last verdict in this run; of a sentence that it does not know, none."""
    run = registry.start_run(MODEL, trigger="by hand").id
    for said in ("better so far", reason):
        registry.record_evaluation(NewEvaluation(run, MODEL, 2, 1, False, said, ()))
    assert ended_name(MODEL, "", REJECTED, more_of(registry, run, REJECTED)) == name


def test_what_needs_attention_says_what_it_came_to(registry: ModelRegistry) -> None:
    """A rollback before all; a run that failed says whether it had promoted."""
    run = registry.start_run(MODEL, trigger="by hand").id
    assert more_of(registry, run, RunEnding("waiting", "wait", "too few"), ["a.csv: it is empty"]) == "waiting"
    assert more_of(registry, run, REJECTED, ["rolled back to version 1: it was better"]) == "rolled back"
    verdict = registry.record_evaluation(NewEvaluation(run, MODEL, 1, None, True, "better", ()))
    registry.promote(MODEL, 1, seen=0, kind="bootstrap", actor="gate", reason="better", evaluation_id=verdict)
    assert more_of(registry, run, RunEnding("failed", "none", "a full disk")) == "version 1 promoted"


def test_the_rows_of_a_run_are_its_day_its_week_or_its_weeks(registry: ModelRegistry) -> None:
    """By ISO's weeks, of which January may have one of the year before."""
    days = {day: add_partition(registry, f"p{day}", day=day) for day in (1, 3, 9)}
    assert [period([days[day] for day in some]) for some in ((3,), (1, 3), (3, 9), ())] == [
        "2013-01-03",
        "2013-W01",
        "2013-W01 to 2013-W02",
        "",
    ]


@contextmanager
def started(*, auto_scheduled: bool = False, by: str = "") -> Iterator[None]:
    """Stand in a flow run that Prefect started this way."""
    creator = CreatedBy(id=uuid4(), type=by) if by else None
    flow_run = FlowRun(flow_id=uuid4(), auto_scheduled=auto_scheduled, created_by=creator)
    token = FlowRunContext.__var__.set(cast("FlowRunContext", SimpleNamespace(flow_run=flow_run)))
    try:
        yield
    finally:
        FlowRunContext.__var__.reset(token)


def test_the_registry_tells_who_started_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule, an event, a person and what lands start the same deployment; without one, it was a command."""
    assert trigger() == "by hand"
    tagged: list[str] = []
    runtime = SimpleNamespace(deployment=SimpleNamespace(name="retrain-flights"), flow_run=SimpleNamespace(tags=tagged))
    monkeypatch.setattr("tasks.run_name.runtime", runtime)  # the real one would ask a server
    with started(auto_scheduled=True, by="SCHEDULE"):
        assert trigger() == "deployment retrain-flights, by its schedule"
    with started(by="AUTOMATION"):
        assert trigger() == "deployment retrain-flights, by an event"
    with started():
        assert trigger() == "deployment retrain-flights, by a person"
        tagged.append("arrival")
        assert trigger() == "deployment retrain-flights, by an arrival"
