"""Rows into tables. A key that is taken is found by its constraint, never by looking first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Insert, insert
from sqlalchemy.orm import Session

from db.tables import Base

Row = dict[str, Any]


def add_row(session: Session, table: type[Base], **values: Any) -> int:
    """Insert a row and return its id."""
    number: int = session.connection().execute(_insert_returning(table), values).scalar_one()
    return number


def add_rows(session: Session, table: type[Base], rows: Sequence[Row]) -> None:
    """Insert any number of rows."""
    if rows:
        session.connection().execute(_insert(table), rows)


def add_if_new(session: Session, table: type[Base], rows: Sequence[Row]) -> None:
    """Insert the rows whose key is not taken yet."""
    if rows:
        session.connection().execute(_insert_if_new(table, session.get_bind().dialect.name), rows)


def add_unless_taken(session: Session, table: type[Base], **values: Any) -> bool:
    """Insert one row, unless its key is taken; whether it was inserted."""
    statement = _insert_if_new(table, session.get_bind().dialect.name).returning(table.__table__.c.id)
    return session.connection().scalar(statement, values) is not None


@cache
def _insert(table: type[Base]) -> Insert:
    return insert(table)


@cache
def _insert_returning(table: type[Base]) -> Any:
    return insert(table).returning(table.__table__.c.id)


@cache
def _insert_if_new(table: type[Base], dialect: str) -> Insert:
    """Both databases know ON CONFLICT; SQLAlchemy has it once for each."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()
