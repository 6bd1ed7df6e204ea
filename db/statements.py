"""Records into rows and rows into records: a field and a column of one name hold the same value.

A key that is taken is found by its constraint, never by looking first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from inspect import signature
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Executable, Insert, Select, insert, select
from sqlalchemy.orm import Session

from db.columns import Base

Statement: TypeAlias = Select[Any]
Row: TypeAlias = dict[str, Any]
Record = TypeVar("Record")
Value = TypeVar("Value")

PARAMETERS = 10_000  # in one statement; SQLite takes 32,766, PostgreSQL 65,535


def columns_of(table: type[Base], record: type, **elsewhere: Any) -> list[ColumnElement[Any]]:
    """A column for each field of a record class, called like the field: the table's, or the one named here.

    Fields that are neither a column nor named here are left out.
    """
    found = ((name, elsewhere.get(name, getattr(table, name, None))) for name in signature(record).parameters)
    return [column.label(name) for name, column in found if column is not None]


@lru_cache(maxsize=64)  # what comes from elsewhere may be made anew by each call
def select_as(record: type, table: type[Base], **elsewhere: Any) -> Statement:
    """The statement that `read` makes records of; fields that are no column of the table come from elsewhere."""
    return select(*columns_of(table, record, **elsewhere)).select_from(table)


def read(
    session: Session, statement: Executable, record: Callable[..., Record], parameters: Row | None = None
) -> tuple[Record, ...]:
    """Run a statement, and make a record of each row; its columns are called like the record's fields."""
    rows = session.connection().execute(statement, parameters)
    names = tuple(rows.keys())
    return tuple(record(**dict(zip(names, row, strict=True))) for row in rows)


def row_of(table: type[Base], record: object, **elsewhere: Any) -> Row:
    """The row that a record makes: a value for each column that it has a field for, and those named here."""
    columns = table.__table__.columns.keys()
    return {name: value for name, value in vars(record).items() if name in columns} | elsewhere


def add_row(session: Session, table: type[Base], row: Row) -> int:
    """Insert a row and return its id."""
    key: Any = session.connection().execute(_insert(table), row).inserted_primary_key
    return int(key[0])


def add_rows(session: Session, table: type[Base], rows: Iterable[Row]) -> None:
    """Insert any number of rows."""
    if found := list(rows):
        session.connection().execute(_insert(table), found)


def add_if_new(session: Session, table: type[Base], rows: Sequence[Row]) -> None:
    """Insert the rows whose key is not taken yet."""
    if rows:
        session.connection().execute(_insert_if_new(table, session.get_bind().dialect.name), rows)


def add_unless_taken(session: Session, table: type[Base], row: Row) -> bool:
    """Insert one row, unless its key is taken; whether it was inserted."""
    statement = _insert_if_new(table, session.get_bind().dialect.name).returning(table.__table__.c.id)
    return session.connection().scalar(statement, row) is not None


def portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut a list into parts that one statement can take."""
    for start in range(0, len(values), PARAMETERS):
        yield values[start : start + PARAMETERS]


def parts_of(
    session: Session, part: type[Record], owner: Any, owners: Sequence[int], in_order: Sequence[Any], **elsewhere: Any
) -> dict[int, tuple[Record, ...]]:
    """The parts of some checks or evaluations, in order, by the id of what they belong to."""
    statement = select(owner, *columns_of(owner.class_, part, **elsewhere)).order_by(owner, *in_order)
    found: dict[int, tuple[Record, ...]] = {}
    for some in portions(owners):
        rows = groupby(session.execute(statement.where(owner.in_(some))), itemgetter(0))
        found |= {key: tuple(part(*row[1:]) for row in parts) for key, parts in rows}
    return found


# Statements that every call needs are built once: building one costs several times as much as running it.
@cache
def _insert(table: type[Base]) -> Insert:
    return insert(table)


@cache
def _insert_if_new(table: type[Base], dialect: str) -> Insert:
    """Both databases know ON CONFLICT; SQLAlchemy has it once for each."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()
