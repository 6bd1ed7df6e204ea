"""Connections and transactions: clear errors, and the same promises on both databases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from filled import MODEL, add_version, model_names, promote, three_champions
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from db import engine as engine_module
from db import tables
from db.columns import plain
from db.engine import open_engine, read_scope, session_scope
from db.registry import ModelRegistry, open_registry
from errors import RegistryUnavailable


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://localhost/x",
        "http://localhost",
        "oracle+thin://x",
        "sqlite:////dev/null/x/r.db",
        "postgresql://somebody:secret@host:port/name",
    ],
)
def test_a_url_that_is_none_is_said_clearly(url: str) -> None:
    """The error names the setting and shows what a URL looks like."""
    with pytest.raises(RegistryUnavailable, match="EVERGREEN_DATABASE_URL"):
        open_registry(url)


def test_a_server_that_is_not_there_is_said_clearly() -> None:
    """In one sentence, without the password."""
    with pytest.raises(RegistryUnavailable, match="refused") as caught:
        open_registry("postgresql://someone:secret@127.0.0.1:9/registry")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_said_clearly(tmp_path: Path) -> None:
    """Whatever it is, it is left as it was."""
    path = tmp_path / "registry.db"
    path.write_text("not a database, but a letter to a friend" * 100)
    with pytest.raises(RegistryUnavailable, match="not a database"):
        open_registry(f"sqlite:///{path}")
    assert path.read_text().startswith("not a database")


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgresql+asyncpg://u@h/d", "postgresql+psycopg"),
        ("sqlite+aiosqlite://", "sqlite"),
    ],
)
def test_any_spelling_uses_our_driver(url: str, driver: str) -> None:
    """People copy URLs from elsewhere, Prefect's own among them."""
    assert open_engine(url).url.drivername == driver


def test_sqlite_folders_are_made(tmp_path: Path) -> None:
    """A first run needs no preparation."""
    open_registry(f"sqlite:///{tmp_path / 'a' / 'b' / 'registry.db'}").close()
    assert (tmp_path / "a" / "b" / "registry.db").exists()


def test_references_are_enforced(registry: ModelRegistry) -> None:
    """A row that names another one which is not there is refused, on SQLite too."""
    row = {"version_id": 99, "name": "log_loss", "value": 0.5}
    with pytest.raises(IntegrityError), session_scope(registry.engine) as session:
        session.execute(insert(tables.VersionMetric), [row])


def test_an_exception_takes_everything_back(registry: ModelRegistry) -> None:
    """A transaction is whole or not at all."""

    def fail() -> None:
        with session_scope(registry.engine) as session:
            session.execute(text("UPDATE model SET next_version = 7"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert add_version(registry).number == 1


def test_instants_are_the_same_in_every_zone(registry: ModelRegistry) -> None:
    """Written with any offset, read in UTC."""
    three_champions(registry)
    east = timezone(timedelta(hours=5, minutes=30))
    now = datetime.now(UTC)
    champion = registry.find_champion(MODEL, now.astimezone(east))
    assert champion is not None
    assert champion.number == 3
    assert champion.created_at.tzinfo == UTC
    assert timedelta(0) <= now - champion.created_at < timedelta(minutes=5)


def test_json_holds_what_json_can() -> None:
    """NaN, numpy's numbers, tuples and paths come out as JSON has them."""
    import numpy as np

    given = {
        "a": float("nan"),
        1: (np.float32(0.5), np.arange(2)),
        "p": Path("x"),
        "n": None,
        "t": True,
        "i": -float("inf"),
    }
    assert plain(given) == {"a": None, "1": [0.5, [0, 1]], "p": "x", "n": None, "t": True, "i": None}


def test_a_reader_does_not_wait_for_a_writer(registry: ModelRegistry) -> None:
    """Look-ups go on while somebody registers; what is not committed is not seen."""
    three_champions(registry)
    with session_scope(registry.engine) as writing:
        writing.execute(text("UPDATE model SET next_version = 99"))
        with read_scope(registry.engine) as reading:
            assert reading.execute(text("SELECT next_version FROM model")).scalar() == 4
        assert registry.champion(MODEL).number == 3


def test_a_locked_database_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a wait, another program that holds the lock for good ends in one sentence, and nothing is written."""
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.1)
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        other = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RegistryUnavailable, match=r"database is locked\. To fix it: see which program has held it"):
            registry.add_model(MODEL)
        other.execute("ROLLBACK")
        other.close()
        assert model_names(registry) == []


def in_a_bad_place(prepare: str, database: Path) -> str:
    """Promote version 1 in a process that `prepare` has made life hard for; returns what the error said."""
    code = f"""
import os, resource, signal, sys
import sqlalchemy.dialects.sqlite
from db.registry import open_registry
from errors import RegistryUnavailable
{prepare}
try:
    with open_registry("sqlite:///" + sys.argv[1]) as registry:
        print("champion", registry.champion("flights").number)
        for seen in range(3, 10_000):
            registry.promote("flights", 1, seen=seen, kind="promote", actor="me", reason="x" * 1000)
except RegistryUnavailable as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(database)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def database() -> Path:
    """A registry of three champions in a folder that others may look into."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "registry.db")
        with open_registry(f"sqlite:///{path}") as registry:
            registry.add_model(MODEL)
            three_champions(registry)
        yield path


def test_a_full_disk_is_said_clearly(database: Path) -> None:
    """What was committed before stays, what was not is not there, and reading goes on."""
    room = database.stat().st_size + 100_000
    message = in_a_bad_place(
        f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))",
        database,
    )
    assert "champion 3" in message
    assert "EVERGREEN_DATABASE_URL" in message
    with open_registry(f"sqlite:///{database}") as registry:
        history = registry.promotions(MODEL)
        assert [p.sequence for p in history] == list(range(1, len(history) + 1))
        assert len(history) > 10
        promote(registry, 2)
        assert registry.champion(MODEL).number == 2


def test_a_read_only_database_is_said_clearly(database: Path) -> None:
    """Also to root, who has to become somebody else to be refused."""
    database.chmod(0o444)
    message = in_a_bad_place("os.getuid() or os.setuid(65534)", database)
    assert "readonly database" in message


def test_a_new_sqlite_database_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """Write-ahead logging is turned on by whoever comes first; who comes second does not fail."""
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE theirs (id INTEGER)")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, other.rollback)
    release.start()
    engine = open_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
    release.join()
    other.close()
