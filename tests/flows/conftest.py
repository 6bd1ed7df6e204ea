"""What tests of flows share: a throw-away Prefect server, and the tiny model's landing folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from service_here import ServiceHere

from arrivals.listing import _stamp
from db.registry import ModelRegistry, open_registry
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from settings import Settings, get_settings
from tiny import TINY, Landing

Begin = Callable[..., None]


@pytest.fixture(scope="session", autouse=True)
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One throw-away Prefect server for all tests of flows; without heartbeats, whose end every run waits for."""
    from prefect import settings

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
        one_server(shared_folder(tmp_path_factory)),
        settings.temporary_settings({settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@contextmanager
def one_server(folder: Path) -> Iterator[None]:
    """Start a server, or use the one that another process of the same tests has started: it takes twenty seconds."""
    from prefect import context, settings
    from prefect.testing.utilities import prefect_test_harness

    address = folder / "prefect-server"
    with (folder / "starting.lock").open("w") as starting, (folder / "using.lock").open("w") as using:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(using, fcntl.LOCK_SH)
        with ExitStack() as stack:
            if address.exists():
                known = {settings.PREFECT_API_URL: address.read_text()}
                stack.enter_context(settings.temporary_settings(known))
                stack.enter_context(context._temporary_global_settings_context(context.get_settings_context()))
            else:
                stack.enter_context(prefect_test_harness(server_startup_timeout=250))
                stack.callback(fcntl.flock, using, fcntl.LOCK_EX)  # it ends once nobody else uses it …
                stack.callback(address.unlink)  # … and before that, whoever comes starts another one
                address.write_text(settings.PREFECT_API_URL.value())
            fcntl.flock(starting, fcntl.LOCK_UN)
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


@pytest.fixture(autouse=True)
def no_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let versions predict without graphs: to trace one for a hundred rows takes longer than all else that they do."""
    for module in ("learning.features", "learning.heads", "learning.loop", "evergreen_client.champion"):
        monkeypatch.setattr(f"{module}.in_batches", at_once)
    monkeypatch.setattr("evergreen_client.champion.traced", lambda model: model)


def at_once(*models: Any, **_: Any) -> Callable[[Any], Any]:
    """What `in_batches` gives, of all rows in one batch."""
    import tensorflow as tf

    def forward(rows: Any) -> Any:
        for model in models:
            rows = model(rows, training=False)
        return tf.cast(rows, "float32")

    return forward


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
def learned(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function (rows, days, flipped) that gives a home where the tiny model learned, made once for all processes.

    Version 1 learned as many rows; where the world is flipped, the newest version learned as many rows after that.
    """
    shared = shared_folder(tmp_path_factory)

    @cache
    def made(rows: int, days: int, *, flipped: bool) -> Path:
        folder = shared / f"learned-{rows}-{days}-{flipped}"
        with folder.with_suffix(".lock").open("w") as making:
            fcntl.flock(making, fcntl.LOCK_EX)
            if not folder.exists():
                before = made(rows, days, flipped=False) if flipped else None
                learn(tmp_path_factory.mktemp("learned"), rows, days, before).rename(folder)
        return folder

    return made


def learn(folder: Path, rows: int, days: int, before: Path | None) -> Path:
    """Let the tiny model learn rows in a home: its first, or those of a flipped world after what it learned before."""
    landing = Landing(folder / "landing" / "tiny")
    if before:
        copy_home(before, folder, landing, days)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVERGREEN_HOME", str(folder))
        patch.setattr("tasks.run.load_spec", lambda *_: TINY)
        get_settings.cache_clear()
        landing.land(rows, days=days, flipped=before is not None)
        assert (retrain if before else bootstrap)("tiny") == "promoted"
    get_settings.cache_clear()
    return folder


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes of the same tests."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def copy_home(made: Path, home: Path, landing: Landing, days: int) -> None:
    """Copy what a model learned to another home, as if it had happened there."""
    registry = "registry.db"
    shutil.copytree(made, home, ignore=shutil.ignore_patterns(f"{registry}*"), dirs_exist_ok=True)
    landed = list(landing.folder.iterdir())
    landing.files, landing.more_days = len(landed), len(landed) * (days - 1)
    with closing(sqlite3.connect(made / registry)) as old, closing(sqlite3.connect(home / registry)) as new:
        old.backup(new)
        for path in landed:
            uri, there = str(path), f"%/{path.name}"
            new.execute("UPDATE landed_file SET uri = ?, stamp = ? WHERE uri LIKE ?", (uri, stamp_of(path), there))
            new.execute("UPDATE partition SET source_uri = ? WHERE source_uri LIKE ?", (uri, there))
        new.commit()


def stamp_of(path: Path) -> str:
    """What the registry remembers a file by."""
    return _stamp(path, path.stat())


@pytest.fixture
def begin(home: Settings, landing: Landing, learned: Callable[..., Path]) -> Begin:
    """A function (rows, days=1) that comes to what `landing.land` and `bootstrap` come to: a copy of it.

    With `flipped`, as many rows of a flipped world were landed after that, and `retrain` promoted what it learned.
    """

    def copied(rows: int, days: int = 1, *, flipped: bool = False) -> None:
        copy_home(learned(rows, days, flipped=flipped), Path(home.home), landing, days)

    return copied
