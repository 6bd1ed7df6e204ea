"""The schema: made once, checked always, changed on purpose only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from crowd import Crowd
from filled import MODEL, model_names, three_champions
from sqlalchemy import Engine, inspect, text

from db import schema
from db.engine import open_engine
from db.registry import open_registry
from db.tables import Base
from db.views import VIEWS
from errors import RegistryOutdated


def execute(engine: Engine, statement: str) -> None:
    """Run a statement, as somebody outside of Evergreen would."""
    with engine.begin() as connection:
        connection.execute(text(statement))


def names(engine: Engine) -> set[str]:
    """All tables and views."""
    found = inspect(engine)
    return {*found.get_table_names(), *found.get_view_names()}


@pytest.fixture
def url(empty_url: str) -> str:
    """URL of a registry whose tables the test may change."""
    open_registry(empty_url).close()
    return empty_url


def open_and_close(_place: int, url: str) -> None:
    """What each process of a crowd does."""
    open_registry(url).close()


def test_an_empty_database_gets_the_tables(empty_url: str) -> None:
    """Opening a registry at a new place is all that is needed."""
    with open_registry(empty_url) as registry:
        assert names(registry.engine) == {*Base.metadata.tables, *VIEWS, schema.STAMP}
        registry.add_model(MODEL)
    with open_registry(empty_url) as registry:
        assert model_names(registry) == [MODEL]


def test_eight_processes_open_an_empty_database(empty_url: str, crowd: Crowd) -> None:
    """One makes the tables, the others wait; none fails."""
    crowd.at_once(open_and_close, empty_url)
    with open_registry(empty_url) as registry:
        assert model_names(registry) == []


def test_tables_and_migrations_agree(empty_url: str) -> None:
    """Whoever changes tables.py and forgets the migration learns it here; an empty database is made without them."""
    engine = open_engine(empty_url)
    schema.migrate(engine, "0001")
    schema.migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.STAMP, "compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_new_registry_has_the_checks_that_migrations_make(empty_url: str) -> None:
    """It is made from the tables, and what must add up is checked there as it is in an old one that was upgraded."""
    old, new = open_engine(empty_url), open_engine("sqlite://" if empty_url.startswith("sqlite") else empty_url)
    schema.migrate(old, "0001")
    schema.migrate(old)
    upgraded = checks(old)
    if new.url == old.url:  # on a server the one database is emptied between
        execute(old, "DROP SCHEMA public CASCADE")
        execute(old, "CREATE SCHEMA public")
    schema.migrate(new)
    assert checks(new) == upgraded
    assert len(upgraded) > 5
    old.dispose()
    new.dispose()


def checks(engine: Engine) -> set[tuple[str, str, str]]:
    """Table, name and words of every check, without the signs that a database puts around them."""
    found = inspect(engine)
    return {
        (table, str(check["name"]), "".join(filter(str.isalnum, check["sqltext"])))
        for table in Base.metadata.tables
        for check in found.get_check_constraints(table)
    }


def test_the_code_knows_its_newest_migration() -> None:
    """HEAD is written down, so that opening a registry need not import Alembic."""
    assert ScriptDirectory.from_config(schema.alembic_config()).get_current_head() == schema.HEAD


@pytest.mark.parametrize(("stamp", "fix"), [("0000", "evergreen db upgrade"), ("9999", "update Evergreen")])
def test_another_schema_is_refused(url: str, stamp: str, fix: str) -> None:
    """Older or newer: the error says which, and what to do."""
    engine = open_engine(url)
    execute(engine, f"UPDATE {schema.STAMP} SET version_num = '{stamp}'")
    with pytest.raises(RegistryOutdated, match=fix):
        open_registry(url)
    engine.dispose()


def test_a_newer_schema_is_not_touched(url: str) -> None:
    """`evergreen db upgrade` on the machine that was forgotten says so."""
    engine = open_engine(url)
    execute(engine, f"UPDATE {schema.STAMP} SET version_num = '9999'")
    with pytest.raises(RegistryOutdated, match="update Evergreen"):
        schema.migrate(engine)
    engine.dispose()


def test_a_database_of_somebody_else_is_left_alone(empty_url: str) -> None:
    """Nothing is created beside other tables until somebody asks for it; then both live on."""
    engine = open_engine(empty_url)
    execute(engine, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    with pytest.raises(RegistryOutdated, match="evergreen db upgrade"):
        open_registry(empty_url)
    assert names(engine) == {"alembic_version"}
    schema.migrate(engine)
    with open_registry(empty_url) as registry:
        assert model_names(registry) == []
    assert "alembic_version" in names(engine)
    engine.dispose()


HEAD = schema.HEAD
NEXT_HEAD = f"{int(HEAD) + 1:04}"
NEXT = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{NEXT_HEAD}", "{HEAD}"


def upgrade():
    with op.batch_alter_table("version") as table:
        table.add_column(sa.Column("note", sa.Text(), nullable=True))
        table.alter_column("plan", nullable=True)
"""


def test_an_older_registry_is_upgraded_with_all_it_holds(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later migration that rebuilds a table loses neither rows nor references, and the views come back."""
    with open_registry(url) as registry:
        registry.add_model(MODEL)
        three_champions(registry)
    (tmp_path / f"{NEXT_HEAD}_next.py").write_text(NEXT)
    config = schema.alembic_config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{config.get_main_option('script_location')}/versions:{tmp_path}")
    monkeypatch.setattr(schema, "alembic_config", lambda: config)
    monkeypatch.setattr(schema, "HEAD", NEXT_HEAD)

    older = rf"its schema is {HEAD}, this code writes {NEXT_HEAD}.*evergreen db upgrade"
    with pytest.raises(RegistryOutdated, match=older):
        open_registry(url)
    engine = open_engine(url)
    assert schema.migrate(engine, NEXT_HEAD) == HEAD

    with open_registry(url) as registry:
        assert registry.champion(MODEL).number == 3
        assert [v.number for v in registry.lineage(MODEL, 3)] == [3, 2, 1]
        assert {"note"} <= {column["name"] for column in inspect(engine).get_columns("version")}
        assert set(VIEWS) <= names(engine)
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
                assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_opening_an_up_to_date_registry_is_cheap(url: str, tmp_path: Path) -> None:
    """From any folder, without Alembic, Keras, Prefect, Evidently, Polars or pandas."""
    heavy = ["alembic", "keras", "tensorflow", "prefect", "evidently", "polars", "pandas", "numpy", "fsspec"]
    code = (
        "import sys; from db.registry import open_registry; open_registry(sys.argv[1]).close(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, url], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
