"""Rows that arrive in a database: nothing hides what follows it, and what is read again is counted once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arriving import Port
from sqlalchemy import create_engine, text

from errors import SchemaMismatch, TooManyBadRows, UnreachableSource

NOW = datetime.now(UTC).replace(microsecond=0)
INSERT = "INSERT INTO trips VALUES ('2024-01-01T00:00:01Z', :number, :speed, :city, 1, :seen)"


def run(statement: str, *rows: dict[str, Any]) -> None:
    """Write to the shop's database."""
    engine = create_engine(os.environ["SHOP_URL"])
    with engine.begin() as connection:
        connection.execute(text(statement), rows or None)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Port:
    """A model whose rows arrive in a database that has no tables yet."""
    port = Port(tmp_path)
    on_postgres = request.param == "postgresql"
    url = str(request.getfixturevalue("empty_postgres") if on_postgres else f"sqlite:///{tmp_path / 'shop.db'}")
    monkeypatch.setenv("SHOP_URL", url)
    run("CREATE TABLE unrelated (x INTEGER)")
    # Ours is found without a driver's name, and the table by its name.
    monkeypatch.setenv("PLAIN_URL", url.replace("postgresql+psycopg", "postgresql"))
    return port.with_source(path="$PLAIN_URL", query="trips", cursor="seen")


def table(kind: str, speed: str = "REAL") -> None:
    """Make the table with a cursor of some type."""
    run(f"CREATE TABLE trips (at TEXT, id INTEGER, speed {speed}, city TEXT, late INTEGER, seen {kind})")


def add(number: int, seen: Any, *, speed: Any = 10, city: Any = "Oslo") -> None:
    """Add a row."""
    run(INSERT, {"number": number, "seen": seen, "speed": speed, "city": city})


def add_each(numbers: Iterable[int], place: Callable[[int], Any] = int) -> None:
    """Add a row of each number at its place, all over one connection."""
    run(INSERT, *({"number": number, "seen": place(number), "speed": 10, "city": "Oslo"} for number in numbers))


def ids(port: Port) -> list[int]:
    """Which rows were taken."""
    return sorted(int(number) for number in port.every_row()["id"])


def stamp(moment: datetime, kind: str) -> Any:
    """A moment as a cursor of some type holds it."""
    if kind == "DATE":
        return moment.date()
    if kind == "TIMESTAMP":
        return moment.replace(tzinfo=None)
    return {"TEXT": moment.isoformat(" "), "TEXT Z": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}.get(kind, moment)


TIMES = ["TEXT", "TEXT Z", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"]


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.filterwarnings("ignore:The default date:DeprecationWarning")
def test_a_cursor_in_the_future_hides_nothing(shop: Port, kind: str) -> None:
    """One row of 2099 is taken itself, and so are all that come after it; each counts once."""
    table(kind.removesuffix(" Z"))
    add(1, stamp(NOW - timedelta(days=9), kind))
    add(2, stamp(NOW.replace(year=2099), kind))
    arrived = shop.ingest()
    assert (arrived.rows, ids(shop)) == (2, [1, 2])
    assert "lies in the future" in arrived.attention[0]
    for number in (3, 4):
        add(number, stamp(NOW - timedelta(days=8 - number), kind))
        assert shop.ingest().rows == 1
        assert shop.ingest().files == 0
    assert ids(shop) == [1, 2, 3, 4]
    assert len(shop.landed()) == 3


def test_a_cursor_that_was_taken_from_the_future_is_passed_over(shop: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that believed in 2099 finds back to the present by itself."""
    table("TEXT")
    add(1, stamp(NOW.replace(year=2099), "TEXT"))
    with monkeypatch.context() as before:
        before.setattr("arrivals.queries.limit", lambda *_: None)
        before.setattr("db.query_source.limit", lambda *_: None)
        assert shop.ingest().rows == 1
    add(2, stamp(NOW - timedelta(days=1), "TEXT"))
    assert shop.ingest().rows == 1


@pytest.mark.parametrize("kind", ["INTEGER", "REAL", "NUMERIC", *TIMES])
@pytest.mark.filterwarnings("ignore:The default date:DeprecationWarning")
def test_an_overlap_finds_what_was_committed_late(shop: Port, kind: str) -> None:
    """Rows of before the last cursor value are taken; known ones are no news, and leave no trace."""
    number = kind in {"INTEGER", "REAL", "NUMERIC"}

    def place(days: int) -> Any:
        return 1000 + days if number else stamp(NOW - timedelta(days=100 - days), kind)

    table(kind.removesuffix(" Z"))
    overlapping = shop.with_source(overlap=10 if number else timedelta(days=10))
    add_each(range(20), place)
    assert overlapping.ingest().rows == 20
    for late in (15, 19):
        add(100 + late, place(late))
        arrived = overlapping.ingest()
        assert (arrived.rows, arrived.duplicates) == (1, 0)
    add(200, place(2))  # too late
    for _ in range(3):
        assert overlapping.ingest().files == 0
    assert len(overlapping.landed()) == 3
    assert ids(overlapping) == [*range(20), 115, 119]


@pytest.mark.parametrize("overlap", [None, 5])
def test_a_bad_row_is_refused_once(shop: Port, overlap: int | None) -> None:
    """The newest row is read again by each run: it is not kept aside again, and does not judge the run by itself."""
    table("INTEGER", speed="TEXT")
    strict = shop.with_source(max_bad_share=0.1, overlap=overlap)
    add_each(range(20))
    add(20, 20, speed="fast")
    assert strict.ingest().refused == 1
    for _ in range(3):
        assert strict.ingest().files == 0
    assert len(strict.registry.refusals("small")) == 1
    add_each(range(21, 41))
    arrived = strict.ingest()
    assert (arrived.rows, arrived.refused) == (20, 0)
    add(41, 40, speed="slow")
    add(42, 40)
    with pytest.raises(TooManyBadRows, match="1 of 2 rows"):
        strict.ingest()
    assert len(strict.registry.refusals("small")) == 2


def test_a_bad_row_of_the_future_is_refused_once(shop: Port) -> None:
    """However many good ones follow."""
    table("TEXT", speed="TEXT")
    add(1, stamp(NOW.replace(year=2099), "TEXT"), speed="fast")
    for number in range(2, 6):
        add(number, stamp(NOW - timedelta(days=10 - number), "TEXT"))
        shop.ingest()
    assert ids(shop) == [2, 3, 4, 5]
    assert [refusal.rows for refusal in shop.registry.refusals("small")] == [1]


def test_bytes_in_one_row_cost_that_row(shop: Port) -> None:
    """Neither the others, nor is it taken for the text of its hex digits."""
    blob = "BYTEA" if os.environ["SHOP_URL"].startswith("postgresql") else "TEXT"
    run(f"CREATE TABLE trips (at TEXT, id INTEGER, speed REAL, city {blob}, late INTEGER, seen INTEGER)")
    add(1, 1, city=b"\x4f")
    if blob == "TEXT":
        add(2, 2)
        add(3, 3, speed=b"\x10")
        add(4, 4, speed="10.5")
        run("INSERT INTO trips VALUES ('2024-01-01T00:00:01Z', 5, 1, CAST(X'ff41' AS TEXT), 1, 5)")
    arrived = shop.ingest()
    assert arrived.refused == (3 if blob == "TEXT" else 1)
    reasons = {refusal.reason for refusal in shop.registry.refusals("small")}
    assert all("holds bytes, which are neither text nor a number" in reason for reason in reasons)
    assert [int(p.rows) for p in shop.partitions()] == ([2] if blob == "TEXT" else [])
    assert shop.ingest().files == 0


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)  # SQLite has no such values
def test_values_that_python_has_no_type_for_cost_their_row(shop: Port) -> None:
    """PostgreSQL's infinity, in a row's time and in the cursor, and years of before the first."""
    kind = "TIMESTAMPTZ"
    run(f"CREATE TABLE trips (at {kind}, id UUID, speed NUMERIC, city TEXT, late BOOLEAN, seen {kind})")
    row = "INSERT INTO trips VALUES ('{}', gen_random_uuid(), {}, 'Oslo', true, '{}')"
    for at, speed, seen in (
        ("2024-01-01", 1, "2024-01-01"),
        ("infinity", 1, "2024-01-02"),
        ("0044-03-15 BC", 1, "2024-01-03"),
        ("2024-01-01", "'NaN'", "2024-01-04"),
        ("2024-01-01", 2, "infinity"),
    ):
        run(row.format(at, speed, seen))
    arrived = shop.ingest()
    assert (arrived.rows, arrived.refused) == (5, 2)
    run(row.format("2024-01-01", 3, "2024-01-05"))
    assert shop.ingest().rows == 1
    assert shop.ingest().files == 0


def test_rows_without_cursor_value_are_told(shop: Port) -> None:
    """No run can read them in order; that there are some is said in each."""
    table("INTEGER")
    add(1, None)
    arrived = shop.ingest()
    assert (arrived.files, len(arrived.attention)) == (0, 1)
    add(2, 1)
    arrived = shop.ingest()
    assert (arrived.rows, arrived.files) == (1, 1)
    assert "1 rows have no seen" in arrived.attention[0]


def test_an_empty_table_is_no_new_data(shop: Port) -> None:
    """It is there, and so is its cursor."""
    table("INTEGER")
    assert shop.ingest().files == 0


def test_a_query_may_end_in_a_comment(shop: Port) -> None:
    """Or in a semicolon."""
    table("INTEGER")
    add(1, 1)
    assert shop.with_source(query="SELECT * FROM trips -- all of them").ingest().rows == 1
    assert shop.with_source(query="SELECT * FROM trips WHERE id > 1;").ingest().rows == 0


WRONG = {
    "no-table": ({"query": "tripz"}, "tripz"),
    "no-query": ({"query": "SELECT * FORM trips"}, "syntax"),
    "no-cursor": ({"cursor": "seem"}, "it has no column 'seem' for a cursor. To fix it: did you mean 'seen'?"),
    "no-span": ({"overlap": timedelta(days=1)}, "says nothing of the cursor 'seen', a int"),
    "no-variable": ({"path": "$NO_SUCH_URL"}, "NO_SUCH_URL is not set"),
    "no-url": ({"path": "shop"}, "Could not parse"),
    "no-port": ({"path": "postgresql://me:secret@127.0.0.1:abc/shop"}, "invalid literal for int()"),
    "no-server": ({"path": "postgresql://me:secret@127.0.0.1:1/shop"}, "refused"),
    "no-driver": ({"path": "mysql://me:secret@127.0.0.1/shop"}, "MySQLdb"),
    "no-dialect": ({"path": "nope://me:secret@127.0.0.1/shop"}, "nope"),
    "no-file": ({"path": "sqlite:////nowhere/shop.db"}, "there is no file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_query_that_fails_is_no_silence(shop: Port, name: str) -> None:
    """The run fails with one sentence, in which no password stands."""
    table("INTEGER")
    add(1, 1)
    shop.ingest()
    changes, says = WRONG[name]
    with pytest.raises(UnreachableSource) as raised:
        shop.with_source(**changes).ingest()
    assert says in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_query_of_other_columns_is_no_silence(shop: Port) -> None:
    """They are named; also where there is no row yet."""
    table("INTEGER")
    with pytest.raises(SchemaMismatch, match="has no 'city'"):
        shop.with_source(query="SELECT at, id, speed, late, seen FROM trips").ingest()
    with pytest.raises(SchemaMismatch, match="id"):
        shop.with_source(query="SELECT *, id FROM trips").ingest()
