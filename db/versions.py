"""Versions: registering one with all that is known about it, and reading them back."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.orm import Session, aliased

from db.lookups import model_id, now, partition_ids, version_id
from db.records import EpochMetric, NewVersion, VersionRecord
from db.statements import Statement, columns_of, read, select_as
from db.tables import Artifact, Model, Version, VersionMetric, VersionPartition
from db.tables import EpochMetric as EpochMetricRow
from db.writing import add_if_new, add_row, add_rows
from evergreen_client.artifacts import StoredArtifact

Parent = aliased(Version)
Base = aliased(Artifact)
Head = aliased(Artifact)


def register(session: Session, new: NewVersion) -> VersionRecord:
    """Add a version under the model's next number, with its lineage, figures and learning curves.

    Raises:
        UnknownModel: the model was never added.
        UnknownVersion: the parent does not exist.
        UnknownPartition: it learned from a partition that the registry does not know.
    """
    taken = session.connection().execute(_next_number(), {"model": new.model}).one_or_none()
    model, number = taken or (model_id(session, new.model), 0)
    add_artifacts(session, new.base, new.head)
    version_row = add_row(
        session,
        Version,
        model_id=model,
        number=number,
        parent_id=None if new.parent is None else version_id(session, new.model, new.parent),
        run_id=new.run_id,
        base_digest=new.base.digest,
        head_digest=new.head.digest,
        plan=new.plan,
        environment=new.environment,
        reason=new.reason,
        created_at=now(),
    )
    ids = partition_ids(session, model, {*new.trained, *new.replayed})
    learned = [
        {"version_id": version_row, "partition_id": ids[digest], "role": role}
        for role, digests in (("trained", new.trained), ("replayed", new.replayed))
        for digest in dict.fromkeys(digests)
    ]
    add_rows(session, VersionPartition, learned)
    add_rows(session, VersionMetric, _figures(version_row, new.metrics))
    add_rows(session, EpochMetricRow, [{"version_id": version_row, **vars(epoch)} for epoch in new.epochs])
    return version(session, new.model, number)


@cache
def _next_number() -> Any:
    """Whoever adds one to the counter owns the number it had, and others wait until that is committed."""
    return (
        update(Model)
        .where(Model.name == bindparam("model"))
        .values(next_version=Model.next_version + 1)
        .returning(Model.id, Model.next_version - 1)
    )


def add_artifacts(session: Session, *artifacts: StoredArtifact) -> None:
    """Record stored files. A digest that is known keeps its first file; the newer one is an orphan for gc.

    In order of digest, since two transactions that insert the same rows in opposite order would wait for each other.
    """
    at = now()
    rows = {a.digest: {**vars(a), "created_at": at} for a in artifacts}
    add_if_new(session, Artifact, [rows[digest] for digest in sorted(rows)])


def record_metrics(session: Session, model: str, number: int, metrics: dict[str, float]) -> None:
    """Add figures to a version. A figure that it has already stays as it was."""
    add_if_new(session, VersionMetric, _figures(version_id(session, model, number), metrics))


def _figures(version: int, metrics: dict[str, float]) -> list[dict[str, Any]]:
    return [{"version_id": version, "name": name, "value": value} for name, value in metrics.items()]


def version(session: Session, model: str, number: int) -> VersionRecord:
    """Read one version.

    Raises:
        UnknownVersion: the model has none of this number.
    """
    rows = version_records(session, _version_numbered(), {"model": model, "number": number})
    if not rows:
        version_id(session, model, number)  # raises, saying which versions there are
    return rows[0]


@cache
def _version_numbered() -> Statement:
    return select_versions().where(Model.name == bindparam("model"), Version.number == bindparam("number"))


def select_versions() -> Statement:
    """The rows that `version_records` turns into records."""
    return (
        select(
            Version.id,
            Model.name,
            Version.number,
            Parent.number.label("parent"),
            Version.run_id,
            *columns_of(Base, StoredArtifact),
            *columns_of(Head, StoredArtifact),
            Version.plan,
            Version.environment,
            Version.reason,
            Version.created_at,
        )
        .select_from(Version)
        .join(Model, Model.id == Version.model_id)
        .outerjoin(Parent, Parent.id == Version.parent_id)
        .join(Base, Base.digest == Version.base_digest)
        .join(Head, Head.digest == Version.head_digest)
    )


def version_records(
    session: Session, statement: Statement, parameters: dict[str, Any] | None = None
) -> tuple[VersionRecord, ...]:
    """Run a statement made from `select_versions` and add the figures."""
    rows = session.connection().execute(statement, parameters).all()
    metrics: dict[int, dict[str, float]] = {row.id: {} for row in rows}
    found = session.connection().execute(_metrics_of(), {"versions": list(metrics)}) if rows else ()
    for version, name, value in found:
        metrics[version][name] = value
    return tuple(_record(row, metrics[row.id]) for row in rows)


@cache
def _metrics_of() -> Statement:
    return (
        select(VersionMetric.version_id, VersionMetric.name, VersionMetric.value)
        .where(VersionMetric.version_id.in_(bindparam("versions", expanding=True)))
        .order_by(VersionMetric.name)
    )


def _record(row: Row[Any], metrics: dict[str, float]) -> VersionRecord:
    _, model, number, parent, run_id, *files, plan, environment, reason, created_at = row
    return VersionRecord(
        model=model,
        number=number,
        parent=parent,
        run_id=run_id,
        base=StoredArtifact(*files[:5]),
        head=StoredArtifact(*files[5:]),
        plan=plan,
        environment=environment,
        reason=reason,
        metrics=metrics,
        created_at=created_at,
    )


def learning_curves(session: Session, model: str, number: int) -> tuple[EpochMetric, ...]:
    """A version's learning curves, by stage, epoch and name."""
    curves = select_as(EpochMetric, EpochMetricRow)
    of_version = curves.where(EpochMetricRow.version_id == version_id(session, model, number))
    in_order = of_version.order_by(EpochMetricRow.stage, EpochMetricRow.epoch, EpochMetricRow.name)
    return read(session, in_order, EpochMetric)
