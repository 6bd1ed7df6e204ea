"""Rows out of tables: the columns that a record has fields for, and the records made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from db.columns import Base

Statement: TypeAlias = Select[Any]
Record = TypeVar("Record")
Value = TypeVar("Value")

PARAMETERS = 10_000  # in one statement; SQLite takes 32,766, PostgreSQL 65,535


def columns_of(table: type[Base], record: type, **elsewhere: Any) -> list[ColumnElement[Any]]:
    """A column for each field of a record class, called like the field: the table's, or the one named here.

    Fields that are neither a column nor named here are left out.
    """
    found = ((f.name, elsewhere.get(f.name, getattr(table, f.name, None))) for f in fields(record))
    return [column.label(name) for name, column in found if column is not None]


def select_as(record: type, table: type[Base], **elsewhere: Any) -> Statement:
    """The statement that `read` makes records of; fields that are no column of the table come from elsewhere."""
    return select(*columns_of(table, record, **elsewhere)).select_from(table)


def read(session: Session, statement: Statement, record: Callable[..., Record]) -> tuple[Record, ...]:
    """Run a statement, and make a record of each row; its columns are called like the record's fields."""
    rows = session.execute(statement)
    names = tuple(rows.keys())
    return tuple(record(**dict(zip(names, row, strict=True))) for row in rows)


def portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut a list into parts that one statement can take."""
    for start in range(0, len(values), PARAMETERS):
        yield values[start : start + PARAMETERS]
