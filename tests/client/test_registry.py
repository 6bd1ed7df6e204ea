"""What a service reads of the registry, and what it is told when it cannot."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from filled import MODEL, add_version, promote

from db.registry import open_registry
from errors import NoChampion, RegistryOutdated, RegistryUnavailable
from evergreen_client.registry import RegistryReader


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'what? 100%.db'}"
    return str(request.getfixturevalue("empty_postgres"))


def test_the_champion_is_read_as_the_registry_knows_it(url: str) -> None:
    """Number, reason and both files, on either database."""
    with open_registry(url) as registry:
        registry.add_model(MODEL)
        registered = add_version(registry)
        reader = RegistryReader(url)
        with pytest.raises(NoChampion, match="nothing was promoted yet"):
            reader.champion(MODEL)
        promote(registry, registered.number, reason="it is better")
        champion = reader.champion(MODEL)
        reader.close()
    assert (champion.number, champion.reason) == (1, "it is better")
    assert (champion.base, champion.head) == (registered.base, registered.head)


def test_a_database_that_is_no_registry_is_said_clearly(url: str) -> None:
    """It is empty, or an older one whose view does not say enough."""
    from sqlalchemy import create_engine, text

    from evergreen_client.database import parse

    engine = create_engine(parse(url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
    reader = RegistryReader(url)
    with pytest.raises(RegistryOutdated, match=r"champion.*evergreen db upgrade"):
        reader.champion(MODEL)
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW champion AS SELECT 'flights' AS model, 1 AS version"))
    with pytest.raises(RegistryOutdated, match=r"older Evergreen.*evergreen db upgrade"):
        reader.champion(MODEL)
    reader.close()
    engine.dispose()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A misspelt path is an error, no new empty file."""
    path = tmp_path / "nowhere.db"
    with pytest.raises(RegistryUnavailable, match="unable to open"):
        RegistryReader(f"sqlite:///{path}").champion(MODEL)
    assert not path.exists()


@pytest.mark.parametrize("write", ["DELETE FROM promotion", "DROP VIEW champion"])
def test_a_reader_cannot_write(tmp_path: Path, write: str) -> None:
    """Whatever happens in a service, the registry stays as it is."""
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    open_registry(url).close()
    cursor = RegistryReader(url)._engine.raw_connection().cursor()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        cursor.execute(write)


def test_a_password_with_an_at_sign_is_refused_before_it_is_taken_for_a_host() -> None:
    """The driver would name what it takes for the host: half of the password."""
    with pytest.raises(RegistryUnavailable, match="%40") as caught:
        RegistryReader("postgresql://me:pass@word@host/evergreen")
    assert "word" not in str(caught.value).replace("password", "")
