"""On a worker a failure is one line, and a server that died is named."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from cli.running import reached_server
from errors import ServerFailed, StepFailed
from tasks.logs import _Told, foreseen

SERVER = "http://127.0.0.1:4299/api"
NAMED = r"the Prefect server at http://127.0.0.1:4299/api: it gave no answer .*evergreen up"


def no_answer(url: str) -> httpx.ConnectError:
    """What a client raises when nobody listens."""
    return httpx.ConnectError("All connection attempts failed", request=httpx.Request("POST", url))


def test_a_server_that_died_is_named_and_nobody_elses_is() -> None:
    """In a run's reason and on the command line; a service of the user's own is none of ours."""
    with temporary_settings({PREFECT_API_URL: SERVER}):
        with pytest.raises(ServerFailed, match=NAMED), foreseen("run 3", Path("/cache")):
            raise no_answer(f"{SERVER}/task_runs/")
        with pytest.raises(ServerFailed, match=NAMED), reached_server():
            raise no_answer(f"{SERVER}/flow_runs/1/set_state")
        with pytest.raises(StepFailed), foreseen("run 3", Path("/cache")):
            raise no_answer("https://features.example.com/")
        with pytest.raises(httpx.ConnectError), reached_server():
            raise no_answer("https://features.example.com/")


def test_on_a_worker_the_console_shows_one_line() -> None:
    """The one about the flow's end, which has the whole sentence."""
    told = _Told(on_worker=True)

    def shows(message: str, logger: str = "prefect.flow_runs") -> bool:
        return told.filter(logging.LogRecord(logger, logging.ERROR, "x.py", 1, message, None, None))

    lines = {
        "Encountered exception during execution: NoChampion('model', 'none', '')": "prefect.flow_runs",
        "Finished in state Failed('Task run encountered an exception: NoChampion')": "prefect.task_runs",
        "Finished in state Failed('Flow run encountered an exception: NoChampion')": "prefect.flow_runs",
        "failed: model 'x': nothing was promoted yet": "prefect.flow_runs",
        "Engine execution exited with unexpected exception": "prefect.flow_runs",
    }
    shown = [message for message, logger in lines.items() if shows(message, logger)]
    assert shown == ["Finished in state Failed('Flow run encountered an exception: NoChampion')"]
