"""Names and numbers to rows, with errors that say what there is instead.

Statements that every call needs are built once: building one costs several times as much as running it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, bindparam, func, literal, select, type_coerce
from sqlalchemy.orm import Session

from clock import now
from db.arrival_tables import Partition, RefusedRows
from db.columns import Utc
from db.online_records import ONLINE
from db.online_tables import OnlineCheckpoint
from db.statements import add_if_new, portions
from db.tables import Artifact, Model, Promotion, Version
from errors import UnknownModel, UnknownPartition, UnknownVersion, did_you_mean, valid_name
from evergreen_client.artifacts import StoredArtifact

FAR = datetime(9999, 1, 1, tzinfo=UTC)
OF_MODEL = Model.name == bindparam("model")
MODEL_ID = select(Model.id).where(OF_MODEL)
VERSION_ID = select(Version.id).join(Model).where(OF_MODEL, Version.number == bindparam("number"))
# By sequence, not by time: a clock that was set back reorders instants, never promotions.
CHAMPION_ID = (
    select(Promotion.version_id)
    .join(Model, Model.id == Promotion.model_id)
    .where(OF_MODEL, Promotion.at <= bindparam("when", FAR, type_=Utc))
    .order_by(Promotion.sequence.desc())
    .limit(1)
)


def add_model(session: Session, name: str) -> None:
    """Make a model known; knowing it already is fine.

    Raises:
        InvalidName: the name could not be a file or a column value.
    """
    add_if_new(session, Model, [{"name": valid_name(name), "next_version": 1, "created_at": now()}])


def made_online(plan: Any) -> ColumnElement[bool]:
    """Whether a version was learned event by event, by its column `plan`."""
    return func.coalesce(type_coerce(plan, JSON)["kind"].as_string(), "") == ONLINE


def named_files(session: Session) -> set[str]:
    """The uri of every stored file that a row names."""
    columns = (Artifact.uri, Partition.uri, RefusedRows.uri, OnlineCheckpoint.uri)
    return {uri for column in columns for uri in session.scalars(select(column)) if uri is not None}


def stored_files(session: Session) -> tuple[StoredArtifact, ...]:
    """Every stored file that is kept as long as its row, with the digests that it was registered by; ordered by uri.

    The newest checkpoint of each online consumer comes before them: only that is gone on from, and its file goes soon.
    """
    artifacts = select(Artifact.digest, Artifact.kind, Artifact.uri, Artifact.sha256, Artifact.bytes)
    partitions = select(Partition.digest, literal("partition"), Partition.uri, Partition.sha256, Partition.bytes)
    found = [StoredArtifact(*row) for rows in (artifacts, partitions) for row in session.execute(rows)]
    for uri in filter(None, session.scalars(select(RefusedRows.uri))):
        kind, (digest, sha256) = uri.partition("/")[0], uri.rpartition("/")[2].split(".")[:2]
        found.append(StoredArtifact(digest, kind, uri, sha256, 0))
    newest = select(func.max(OnlineCheckpoint.id)).group_by(OnlineCheckpoint.model_id, OnlineCheckpoint.consumer)
    state = OnlineCheckpoint
    columns = state.digest, literal(ONLINE), state.uri, state.sha256, state.bytes
    named = select(*columns).where(state.id.in_(newest), state.uri.is_not(None))
    found += [StoredArtifact(*row) for row in session.execute(named)]
    in_order = sorted(found, key=lambda file: (file.kind != ONLINE, file.uri))
    return tuple({file.uri: file for file in in_order}.values())


def model_id(session: Session, name: str) -> int:
    """Find a model's row.

    Raises:
        UnknownModel: the registry has no model of this name.
    """
    found = session.connection().scalar(MODEL_ID, {"model": name})
    if found is None:
        known = session.scalars(select(Model.name).order_by(Model.name)).all()
        choices = f"{did_you_mean(name, known)}use one of: {', '.join(known)}"
        fix = choices if known else f"run `evergreen bootstrap {name}`"
        raise UnknownModel(f"model {name!r}", "the registry has none of this name", fix)
    return int(found)


def version_id(session: Session, model: str, number: int) -> int:
    """Find a version's row.

    Raises:
        UnknownVersion: the model has no version of this number.
    """
    found = session.connection().scalar(VERSION_ID, {"model": model, "number": number})
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
    found: dict[str, int] = {}
    of_model = select(Partition.digest, Partition.id).where(Partition.model_id == model)
    for some in portions(sorted(digests)):
        rows = session.execute(of_model.where(Partition.digest.in_(some)))
        found.update((digest, number) for digest, number in rows)
    missing = sorted(digests - found.keys())
    if missing:
        raise UnknownPartition(
            f"partition {missing[0]}",
            "no partition of this model has that digest",
            "list what there is with `evergreen partitions`",
        )
    return found
