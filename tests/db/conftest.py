"""What tests of the registry share: each runs on SQLite and on a real PostgreSQL, and finds it empty."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crowd import Crowd, gathered_crowd
from filled import MODEL
from postgres import Server

from db.registry import ModelRegistry, open_registry
from db.schema import STAMP


@pytest.fixture(scope="session")
def crowd() -> Iterator[Crowd]:
    """Eight processes, for tests of what happens at the same moment."""
    with gathered_crowd() as gathered:
        yield gathered


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Name of the database that the test runs on."""
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """URL of an empty database."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    return str(request.getfixturevalue("empty_postgres"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the registry's tables; copying it is quicker than making them."""
    path = tmp_path_factory.mktemp("template") / "registry.db"
    open_registry(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_registry(postgres: Server) -> Iterator[str]:
    """URL of a PostgreSQL database with the registry's tables, which one test after the other fills."""
    with postgres.database() as url:
        open_registry(url).close()
        yield url


@pytest.fixture
def url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty registry. Its rows are the test's own; who changes its tables takes `empty_url`."""
    if backend == "sqlite":
        path = tmp_path / "registry.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: Server = request.getfixturevalue("postgres")
    url: str = request.getfixturevalue("postgres_registry")
    yield url
    server.empty(url, but=STAMP)


@pytest.fixture
def registry(url: str) -> Iterator[ModelRegistry]:
    """A registry that knows one model, flights, and nothing about it."""
    with open_registry(url) as registry:
        registry.add_model(MODEL)
        yield registry


@pytest.fixture
def query(registry: ModelRegistry) -> Callable[[str], list[tuple[object, ...]]]:
    """A function that runs plain SQL, as a BI tool would."""
    from sqlalchemy import text

    def run(statement: str) -> list[tuple[object, ...]]:
        with registry.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    return run
