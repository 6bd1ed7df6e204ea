"""A gate that lets people decide: the run ends and waits for nobody, and the answer promotes; what both are called."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from prefect import get_client
from sqlalchemy import func, select

from db.columns import Base
from db.registry import ModelRegistry
from flows.approve import approve
from flows.retrain import retrain
from learning.spec import Gate, RetrainPolicy
from settings import Settings
from tiny import TINY, Landing


def newest_flow_run(registry: ModelRegistry) -> tuple[str, list[str], str]:
    """Name, tags and state of the flow run of the newest run, once the server has its end."""
    deadline = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        while True:
            found = client.read_flow_run(UUID(registry.runs("tiny")[0].flow_run_id))
            if (found.state and found.state.is_final()) or time.monotonic() > deadline:
                return found.name, sorted(found.tags), str(found.state and found.state.name)
            time.sleep(0.2)


def rows(registry: ModelRegistry) -> dict[str, int]:
    """How many rows each table of the registry has."""
    with registry.engine.connect() as connection:
        counts = {table.name: select(func.count()).select_from(table) for table in Base.metadata.sorted_tables}
        return {name: int(connection.scalar(count) or 0) for name, count in counts.items()}


@pytest.mark.slow
def test_a_person_answers_after_the_run_has_ended(
    landing: Landing,
    registry: ModelRegistry,
    home: Settings,
    begin: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dry run foretells it and leaves no trace; the same work is not done again; the answer says who gave it."""
    gate = replace(TINY.gate, approval="manual", approval_within="2d")
    lazy = replace(TINY, gate=gate, retrain=RetrainPolicy(when=(), every="9000d"))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: lazy)
    begin(400)
    landing.land(400, flipped=True)
    assert retrain("tiny") == "waiting"

    before = rows(registry)
    assert retrain("tiny", force=True, dry_run=True) == "dry run"
    assert str(registry.runs("tiny")[0].reason).startswith("it would have ended awaiting approval: version 2 passed")
    assert rows(registry) == before | {"run": before["run"] + 1}
    trained = {path: path.stat().st_mtime_ns for path in home.work.rglob("trained.json")}

    assert retrain("tiny", force=True) == "awaiting approval"
    assert trained
    assert {path: path.stat().st_mtime_ns for path in trained} == trained, (
        "what the dry run trained is not trained twice"
    )
    run = registry.runs("tiny")[0]
    assert str(run.reason).startswith("version 2 passed and awaits approval until ")
    assert registry.champion("tiny").number == 1
    assert newest_flow_run(registry) == (
        "tiny 2026-01-02 · awaiting approval",
        ["awaiting approval", "evergreen", "tiny"],
        "AwaitingApproval",
    )
    assert retrain("tiny", force=True) == "no new data"

    assert approve("tiny", 2, "approve", by="Ada", reason="looks right") == "promoted"
    newest = registry.promotions("tiny")[-1]
    assert (newest.number, newest.actor) == (2, "Ada")
    assert newest_flow_run(registry) == ("tiny version 2 · promoted", ["evergreen", "promoted", "tiny"], "Promoted")


def test_the_form_offers_two_answers_and_asks_who_gives_them() -> None:
    """As Prefect's UI draws it from the flow's parameters."""
    schema = approve.parameters
    assert schema.properties["decision"]["enum"] == ["approve", "reject"]
    assert schema.required == ["model", "version", "decision", "by", "reason"]
    assert all(parameter["description"] for parameter in schema.properties.values())


def test_a_time_limit_without_approval_is_refused() -> None:
    """It would limit nothing."""
    from errors import InvalidSpec

    with pytest.raises(InvalidSpec, match="approval_within"):
        Gate(approval_within="2d")
