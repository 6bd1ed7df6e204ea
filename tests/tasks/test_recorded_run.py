"""However a run ends, the registry says how, and what it had done by then."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filled import stored
from prefect.exceptions import TerminationSignal

from db.records import INTERRUPTED, NewVersion, RunRecord
from db.registry import ModelRegistry, open_registry
from db.verdict_records import NewEvaluation
from errors import StepFailed
from settings import Settings
from tasks.run import Run, recorded_run
from tasks.tidy import end_lost_runs
from tiny import TINY


@pytest.fixture
def registry(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelRegistry]:
    """The registry of the tiny model, whose runs can be recorded outside of a flow."""
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: TINY)
    with open_registry(home.database_url) as registry:
        registry.add_model("tiny")
        yield registry


def only_run(registry: ModelRegistry) -> RunRecord:
    """The one run there is."""
    (run,) = registry.runs("tiny")
    return run


def test_a_model_that_ends_the_process_failed(registry: ModelRegistry) -> None:
    """Nobody told the run to stop: that would say that all is well, and the next one would end alike."""
    with pytest.raises(StepFailed, match="SystemExit: 3"), recorded_run("tiny"):
        sys.exit(3)
    run = only_run(registry)
    assert (run.outcome, "SystemExit: 3" in str(run.reason)) == ("failed", True)


@pytest.mark.parametrize("part", ["clear_away_lost", "kept_alive"])
def test_an_error_before_the_first_step_ends_the_run(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Once it is recorded, it is never left open."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"tasks.run.{part}", full)
    with pytest.raises(StepFailed, match="No space left"), recorded_run("tiny"):
        pass
    assert only_run(registry).outcome == "failed"


def test_a_run_that_is_told_to_stop_after_it_promoted_says_so(registry: ModelRegistry) -> None:
    """Its version serves already: there is nothing to go on with."""

    def stopped(run: Run) -> None:
        promote(registry, run.id)
        raise TerminationSignal(signal.SIGTERM)

    with pytest.raises(TerminationSignal), recorded_run("tiny") as run:
        stopped(run)
    ended = only_run(registry)
    assert (ended.outcome, ended.reason) == (INTERRUPTED, "it was told to stop; version 1 was promoted before that")


def test_a_run_that_is_killed_after_it_promoted_says_so(registry: ModelRegistry, tmp_path: Path) -> None:
    """As who finds it reads in the registry."""
    run = registry.start_run("tiny", trigger="by hand")
    promote(registry, run.id)
    assert run.alive_until is not None
    (lost,) = end_lost_runs(registry, tmp_path, run.alive_until)
    assert lost.reason == only_run(registry).reason
    assert str(lost.reason).endswith("; version 1 was promoted before that")


def promote(registry: ModelRegistry, run_id: int) -> None:
    """Register a version that the run trained, let the gate pass it, and promote it."""
    registry.register(NewVersion("tiny", run_id, None, stored("base", "a"), stored("head", "b")))
    verdict = registry.record_evaluation(NewEvaluation(run_id, "tiny", 1, None, True, "better", ()))
    registry.promote("tiny", 1, seen=0, kind="bootstrap", actor="test", reason="better", evaluation_id=verdict)
