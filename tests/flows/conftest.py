"""What tests of flows share: a throw-away Prefect server, and the tiny model's landing folder."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from service_here import ServiceHere

from arrivals.listing import _stamp
from db.registry import ModelRegistry, open_registry
from settings import Settings, get_settings
from tiny import TINY, Landing

Begin = Callable[..., None]


@pytest.fixture(scope="session", autouse=True)
def prefect_server() -> Iterator[None]:
    """One throw-away Prefect server for all tests of flows; without heartbeats, whose end every run waits for."""
    from prefect import settings
    from prefect.testing.utilities import prefect_test_harness

    # What the server does beside answering is for people who look at its UI: here nobody does.
    idle = {
        settings.PREFECT_LOGGING_TO_API_ENABLED: False,
        settings.PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED: False,
        settings.PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False,
        settings.PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED: False,
        settings.PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED: False,
    }
    with (
        settings.temporary_settings(idle),
        prefect_test_harness(server_startup_timeout=250),
        settings.temporary_settings({settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
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


@pytest.fixture(autouse=True)
def drift_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare for drift in this process, without Evidently's pages; who asks for `drift_elsewhere` has it whole."""
    if "drift_elsewhere" not in request.fixturenames:
        monkeypatch.setattr("tasks.check_drift.elsewhere", compared_here)
        monkeypatch.setattr("tasks.check_drift.show_on_timeline", lambda _: None)


@pytest.fixture
def drift_elsewhere() -> None:
    """Compare for drift in a process of its own, with all its pages, as in production."""


def compared_here(function: Callable[..., Any], *args: Any, **how: Any) -> Future[Any]:
    """What the other process would answer, at once; it writes no page."""
    future: Future[Any] = Future()
    try:
        future.set_result(function(*args, **how | ({"report": None} if "report" in how else {})))
    except Exception as error:  # noqa: BLE001 - whatever it is, it comes out where the answer is asked for
        future.set_exception(error)
    return future


@pytest.fixture(scope="session")
def bootstrapped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """A function (rows, days) that gives a home where version 1 of the tiny model learned these rows, made once."""
    from flows.bootstrap import bootstrap

    @cache
    def made(rows: int, days: int) -> Path:
        folder = tmp_path_factory.mktemp("bootstrapped")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EVERGREEN_HOME", str(folder))
            patch.setattr("tasks.run.load_spec", lambda *_: TINY)
            patch.setattr("tasks.infra_check.FreshService", ServiceHere)
            get_settings.cache_clear()
            Landing(folder / "landing" / "tiny").land(rows, days=days)
            assert bootstrap("tiny") == "promoted"
        get_settings.cache_clear()
        return folder

    return made


@pytest.fixture
def begin(home: Settings, landing: Landing, bootstrapped: Callable[[int, int], Path]) -> Begin:
    """A function (rows, days=1) that comes to what `landing.land` and `bootstrap` come to: a copy of it."""

    def copied(rows: int, days: int = 1) -> None:
        made, registry = bootstrapped(rows, days), "registry.db"
        shutil.copytree(made, home.home, ignore=shutil.ignore_patterns(f"{registry}*"), dirs_exist_ok=True)
        landing.files, landing.more_days = 1, days - 1
        (landed,) = landing.folder.iterdir()
        with closing(sqlite3.connect(made / registry)) as old, closing(sqlite3.connect(home.home / registry)) as new:
            old.backup(new)
            new.execute("UPDATE landed_file SET uri = ?, stamp = ?", (str(landed), _stamp(landed, landed.stat())))
            new.execute("UPDATE partition SET source_uri = ?", (str(landed),))
            new.commit()

    return copied
