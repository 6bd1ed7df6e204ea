"""What all tests share: a home folder of their own, quiet libraries, a PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from postgres import Server, running_server

from settings import Settings, get_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Every test gets an empty EVERGREEN_HOME, and nothing of the developer's own."""
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL server for the whole session, started by the first test that asks for it."""
    with TemporaryDirectory(prefix="evergreen-") as folder, running_server(Path(folder)) as server:
        yield server
