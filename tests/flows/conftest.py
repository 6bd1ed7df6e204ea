"""What tests of flows share: a throw-away Prefect server, and the tiny model's landing folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service_here import ServiceHere

from db.registry import ModelRegistry, open_registry
from settings import Settings
from tiny import TINY, Landing


@pytest.fixture(scope="session", autouse=True)
def prefect_server() -> Iterator[None]:
    """One throw-away Prefect server for all tests of flows; without heartbeats, whose end every run waits for."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def landing(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Landing:
    """An empty landing folder of the tiny model."""
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: TINY)
    return Landing(Path(home.landing) / "tiny")


@pytest.fixture(autouse=True)
def service_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare every retrain of these tests a process; those about the process have one."""
    monkeypatch.setattr("tasks.infra_check.FreshService", ServiceHere)


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    """The registry that the flows write."""
    return open_registry(home.database_url)
