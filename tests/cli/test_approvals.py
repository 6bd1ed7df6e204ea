"""`evergreen registry approve`, `reject` and `approvals`: a person's answer, and what waits for one."""

from __future__ import annotations

import json

import pytest
from filled import MODEL, add_partition, add_version, three_champions
from typer.testing import CliRunner

from cli.main import app
from db.approvals import NewApproval
from db.registry import open_registry
from db.verdict_records import NewEvaluation
from errors import NothingToApprove
from settings import Settings


def run(*words: str) -> str:
    """What `evergreen registry` prints."""
    done = CliRunner().invoke(app, ["registry", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(autouse=True)
def waiting(home: Settings) -> None:
    """Version 4 passed the gate, and waits."""
    with open_registry(home.database_url) as registry:
        registry.add_model(MODEL)
        three_champions(registry)
        add_partition(registry, "p4", day=4)
        add_version(registry, parent=3, trained=["p4"])
        verdict = registry.record_evaluation(NewEvaluation(None, MODEL, 4, 3, True, "better so far", ()))
        registry.ask_for_approval(MODEL, NewApproval(4, verdict, 3))


def test_who_approves_is_in_the_history() -> None:
    """By name, with the reason; the list then says that it was approved."""
    assert json.loads(run("approvals", MODEL, "--json"))[0]["state"] == "awaits approval"
    assert "version 4 is the champion" in run("approve", MODEL, "4", "--reason", "it is right", "--actor", "Ada")
    newest = json.loads(run("history", MODEL, "--json"))[-1]
    assert (newest["actor"], newest["reason"]) == ("Ada", "approved: it is right; the gate: better so far")
    assert "approved" in run("approvals", MODEL)


def test_who_turns_it_down_keeps_the_champion() -> None:
    """And nobody approves of it afterwards."""
    assert "the champion stays" in run("reject", MODEL, "4", "--reason", "not before the holidays")
    with pytest.raises(NothingToApprove, match="turned it down: not before the holidays"):
        run("approve", MODEL, "4", "--reason", "it is right")
