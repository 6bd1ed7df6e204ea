"""A run that is cut short: told to stop it says so, and killed it is ended by the next run, in Prefect too."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.states import Running
from sqlalchemy import text

from db.registry import ModelRegistry
from errors import NoChampion
from flows.retrain import retrain
from tiny import Landing


@pytest.fixture
def deaf() -> Iterator[None]:
    """Let this process outlive SIGTERM: Prefect sends it on to itself, once a flow that was told to stop has ended."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize("told", [TerminationSignal(signal.SIGTERM), KeyboardInterrupt()], ids=["SIGTERM", "Ctrl-C"])
def test_a_run_that_is_told_to_stop_ends_as_interrupted(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch, told: BaseException
) -> None:
    """That is no failure; its reason says that the next run goes on."""

    def stopped(_run: object) -> None:
        raise told

    monkeypatch.setattr("flows.retrain.take_arrivals", stopped)
    with pytest.raises(type(told)):
        retrain("tiny")
    (run,) = registry.runs("tiny")
    assert (run.outcome, run.reason) == ("interrupted", "it was told to stop; the next run goes on where it was")


def test_the_next_run_ends_one_that_was_killed(landing: Landing, registry: ModelRegistry) -> None:
    """Whatever becomes of itself, and of whichever model: the dead one has a reason, and is not "Running" any more."""
    registry.add_model("other")
    with get_client(sync_client=True) as client:
        dead = client.create_flow_run(retrain, parameters={"model": "other"}, state=Running())
        killed = registry.start_run("other", trigger="by hand", flow_run_id=str(dead.id))
        with registry.engine.begin() as connection:
            connection.execute(text("UPDATE run SET alive_until = NULL"))
        with pytest.raises(NoChampion):
            retrain("tiny")
        (ended,) = registry.runs("other")
        state = client.read_flow_run(dead.id).state
    assert (ended.id, ended.outcome) == (killed.id, "lost")
    assert state is not None
    assert (state.is_crashed(), state.message) == (True, ended.reason)
