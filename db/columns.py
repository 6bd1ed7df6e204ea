"""What all tables share: the declarative base, and column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Float, MetaData, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeEngine

from evergreen_client.shown import masked, said
from evergreen_client.shown import plain as in_plain_signs

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Utc(TypeDecorator[datetime]):
    """An instant. Naive datetimes are refused; SQLite drops the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Write the instant in UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone, so nobody knows which instant it is: add tzinfo")
        return None if value is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], datetime | None]:
        """Read the instant in UTC: from PostgreSQL as it comes, from SQLite as the text it is."""
        if dialect.name == "sqlite":
            return lambda text: None if text is None else datetime.fromisoformat(f"{text}+00:00")
        return lambda value: None if value is None else value.astimezone(UTC)


class Figure(TypeDecorator[float]):
    """A measured number. NaN is stored as NULL, as SQLite does anyway, so that both databases order it alike."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: float | None, _dialect: Dialect) -> float | None:
        """Write a plain float."""
        return None if value is None or math.isnan(value) else float(value)

    def process_result_value(self, value: float | None, _dialect: Dialect) -> float:
        """Read a float; what could not be measured is NaN."""
        return math.nan if value is None else value


class Bound(Figure):
    """A measured number that need not exist: NULL is read as None."""

    cache_ok = True

    def process_result_value(self, value: float | None, _dialect: Dialect) -> float | None:  # type: ignore[override]
        """Read a float or None."""
        return value


class Sentence(TypeDecorator[str]):
    """Free text. What no database can store (NUL, halves of surrogate pairs) becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Write storable text: the reason of a failure must never be what cannot be recorded."""
        return None if value is None else storable(value)


class Remark(Sentence):
    """What a person or an error said: one line of bounded length, in which no secret stands."""

    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Write what may be shown to anybody."""
        return None if value is None else said(value)


class Place(Sentence):
    """Where something came from, without the password that a URL may hold."""

    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Write a path as it is, and a URL as it may be shown."""
        if value is None:
            return None
        return in_plain_signs(masked(value) if "://" in value else value)


class Document(TypeDecorator[Any]):
    """A JSON document; JSONB on PostgreSQL."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Import PostgreSQL's type only where it is used: it costs every quick command 40 ms."""
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON(none_as_null=True))
        from sqlalchemy.dialects.postgresql import JSONB

        return dialect.type_descriptor(JSONB(none_as_null=True))

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        """Write only what JSON has a word for."""
        return plain(value)


def storable(text: str) -> str:
    """Text as every database can store it."""
    return UNSTORABLE.sub("\ufffd", text)


def plain(value: Any) -> Any:
    """Reduce a value to JSON: NaN and infinities to null, numpy's numbers to Python's, anything else to text.

    Example:
        >>> plain({"loss": float("nan"), 2: (0.5, None)})
        {'loss': None, '2': [0.5, None]}
    """
    written = storable(json.dumps(value, default=_jsonable, ensure_ascii=False))
    # JSON escapes NUL, and a backslash of the text's own as two: those are passed over in pairs.
    clean = re.sub(r"\\\\|\\u0000", lambda found: found[0].replace("\\u0000", "�"), written)
    return json.loads(clean, parse_constant=lambda _: None)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)


Key = Annotated[int, mapped_column(primary_key=True)]
Count = Annotated[int, mapped_column(BigInteger)]
Hash = Annotated[str, mapped_column(String(64))]
Words = Annotated[str, mapped_column(Remark)]
Origin = Annotated[str, mapped_column(Place)]
Measured = Annotated[float, mapped_column(Figure, nullable=True)]


class Base(DeclarativeBase):
    """The tables' common base: constraints are named by convention, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Utc, str: Sentence, dict[str, Any]: Document}  # noqa: RUF012
