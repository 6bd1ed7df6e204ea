"""Names and numbers to rows, with errors that say what there is instead.

Statements that every call needs are built once: building one costs several times as much as running it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import Row, Select, bindparam, func, select
from sqlalchemy.orm import Session

from db.tables import Artifact, Model, Partition, RejectedRows, Version
from db.writing import add_if_new
from errors import InvalidName, UnknownModel, UnknownPartition, UnknownVersion

Rows: TypeAlias = Select[Any]
AnyRow: TypeAlias = Row[Any]

PARAMETERS = 10_000  # in one statement; SQLite takes 32,766, PostgreSQL 65,535
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def valid_name(name: str) -> str:
    """A model name that is safe as a file name, a column value and a Python module.

    Raises:
        InvalidName: it is not 1 to 63 of a-z, 0-9, _ and -, a letter first.
    """
    if not NAME.fullmatch(name):
        shown = name if len(name) <= 40 else f"{name[:40]}…"
        raise InvalidName(
            f"model name {shown!r}",
            "a name is 1 to 63 lower-case letters, digits, _ and -, and begins with a letter",
            "choose a name like flights or card-fraud_2",
        )
    return name


def add_model(session: Session, name: str) -> None:
    """Make a model known; knowing it already is fine.

    Raises:
        InvalidName: the name could not be a file or a column value.
    """
    add_if_new(session, Model, [{"name": valid_name(name), "next_version": 1, "created_at": now()}])


def named_files(session: Session) -> set[str]:
    """The uri of every stored file that a row names."""
    columns = (Artifact.uri, Partition.uri, RejectedRows.uri)
    return {uri for column in columns for uri in session.scalars(select(column)) if uri is not None}


@cache
def _model_named() -> Rows:
    return select(Model.id).where(Model.name == bindparam("name"))


@cache
def _version_numbered() -> Rows:
    named = Model.name == bindparam("model")
    return select(Version.id).join(Model).where(named, Version.number == bindparam("number"))


def model_id(session: Session, name: str) -> int:
    """Find a model's row.

    Raises:
        UnknownModel: the registry has no model of this name.
    """
    found = session.connection().scalar(_model_named(), {"name": name})
    if found is None:
        known = session.scalars(select(Model.name).order_by(Model.name)).all()
        near = get_close_matches(name, known, n=1)
        fix = f"write {near[0]}" if near else f"use one of: {', '.join(known)}"
        received = f"model {name!r}"
        raise UnknownModel(
            received, "the registry has none of this name", fix if known else f"run `evergreen bootstrap {name}`"
        )
    return int(found)


def version_id(session: Session, model: str, number: int) -> int:
    """Find a version's row.

    Raises:
        UnknownVersion: the model has no version of this number.
    """
    found = session.connection().scalar(_version_numbered(), {"model": model, "number": number})
    if found is None:
        highest = session.scalar(select(func.max(Version.number)).where(Version.model_id == model_id(session, model)))
        raise UnknownVersion(
            f"version {number} of model '{model}'",
            f"its versions go from 1 to {highest}" if highest else "it has no version yet",
            f"choose one that `evergreen registry versions {model}` lists",
        )
    return int(found)


def partition_ids(session: Session, model: int, digests: set[str]) -> dict[str, int]:
    """Find partitions' rows: digest to id.

    Raises:
        UnknownPartition: the model has no partition of one of these digests.
    """
    if not digests:
        return {}
    found: dict[str, int] = {}
    wanted = sorted(digests)
    for start in range(0, len(wanted), PARAMETERS):
        of_model, some = Partition.model_id == model, Partition.digest.in_(wanted[start : start + PARAMETERS])
        rows = session.execute(select(Partition.digest, Partition.id).where(of_model, some))
        found.update((digest, number) for digest, number in rows)
    missing = sorted(digests - found.keys())
    if missing:
        raise UnknownPartition(
            f"partition {missing[0]}",
            "no partition of this model has that digest",
            "list what there is with `evergreen partitions`",
        )
    return found
