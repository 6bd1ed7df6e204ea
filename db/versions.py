"""Versions: registering one with all that is known about it, and reading them back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session, aliased

from clock import now
from db.lookups import OF_MODEL, model_id, partition_ids, version_id
from db.records import EpochMetric, NewVersion, VersionRecord
from db.statements import Row, Statement, add_if_new, add_row, add_rows, columns_of, read, row_of, select_as
from db.tables import Artifact, Model, Version, VersionMetric, VersionPartition
from db.tables import EpochMetric as EpochMetricRow
from evergreen_client.artifacts import StoredArtifact

Parent = aliased(Version)
Proof = aliased(Version)
Base = aliased(Artifact)
Head = aliased(Artifact)

# The rows that `version_records` turns into records: two files of five columns, the row's id, the version's own.
VERSIONS = (
    select(
        *columns_of(Base, StoredArtifact),
        *columns_of(Head, StoredArtifact),
        Version.id,
        *columns_of(Version, VersionRecord, model=Model.name, parent=Parent.number, refit_of=Proof.number),
    )
    .select_from(Version)
    .join(Model, Model.id == Version.model_id)
    .outerjoin(Parent, Parent.id == Version.parent_id)
    .outerjoin(Proof, Proof.id == Version.refit_of_id)
    .join(Base, Base.digest == Version.base_digest)
    .join(Head, Head.digest == Version.head_digest)
)
ONE_VERSION = VERSIONS.where(OF_MODEL, Version.number == bindparam("number"))
FIGURES = (
    select(VersionMetric.version_id, VersionMetric.name, VersionMetric.value)
    .where(VersionMetric.version_id.in_(bindparam("versions", expanding=True)))
    .order_by(VersionMetric.name)
)
# Whoever adds one to the counter owns the number it had, and others wait until that is committed.
NEXT_NUMBER = (
    update(Model)
    .where(OF_MODEL)
    .values(next_version=Model.next_version + 1)
    .returning(Model.id, Model.next_version - 1)
)


def register(session: Session, new: NewVersion) -> VersionRecord:
    """Add a version under the model's next number, with its lineage, figures and learning curves.

    Raises:
        UnknownModel: the model was never added.
        UnknownVersion: the parent, or the version that it is a refit of, does not exist.
        UnknownPartition: it learned from a partition that the registry does not know.
    """
    taken = session.connection().execute(NEXT_NUMBER, {"model": new.model}).one_or_none()
    model, number = taken or (model_id(session, new.model), 0)
    add_artifacts(session, new.base, new.head)
    named = (new.parent, new.refit_of)
    parent, proof = (None if one is None else version_id(session, new.model, one) for one in named)
    own = {"base_digest": new.base.digest, "head_digest": new.head.digest, "parent_id": parent, "refit_of_id": proof}
    row = row_of(Version, new, model_id=model, number=number, created_at=now(), **own)
    version_row = add_row(session, Version, row)
    ids = partition_ids(session, model, {*new.trained, *new.replayed, *new.partly})
    learned = [
        {"version_id": version_row, "partition_id": ids[digest], "role": role}
        for role, digests in (("trained", new.trained), ("replayed", new.replayed), ("partly", new.partly))
        for digest in dict.fromkeys(digests)
    ]
    add_rows(session, VersionPartition, learned)
    add_rows(session, VersionMetric, _figures(version_row, new.metrics))
    add_rows(session, EpochMetricRow, (row_of(EpochMetricRow, epoch, version_id=version_row) for epoch in new.epochs))
    return version(session, new.model, number)


def add_artifacts(session: Session, *artifacts: StoredArtifact) -> None:
    """Record stored files. A digest that is known keeps its first file; the newer one is an orphan for gc.

    In order of digest, since two transactions that insert the same rows in opposite order would wait for each other.
    """
    at = now()
    rows = {file.digest: row_of(Artifact, file, created_at=at) for file in artifacts}
    add_if_new(session, Artifact, [rows[digest] for digest in sorted(rows)])


def record_metrics(session: Session, model: str, number: int, metrics: dict[str, float]) -> None:
    """Add figures to a version. A figure that it has already stays as it was."""
    add_if_new(session, VersionMetric, _figures(version_id(session, model, number), metrics))


def _figures(version: int, metrics: dict[str, float]) -> list[Row]:
    return [{"version_id": version, "name": name, "value": value} for name, value in metrics.items()]


def version(session: Session, model: str, number: int) -> VersionRecord:
    """Read one version.

    Raises:
        UnknownVersion: the model has none of this number.
    """
    rows = version_records(session, ONE_VERSION, {"model": model, "number": number})
    if not rows:
        version_id(session, model, number)  # raises, saying which versions there are
    return rows[0]


def plans(session: Session, model: str, numbers: Collection[int]) -> dict[int, dict[str, Any]]:
    """How some of a model's versions were trained, by their numbers."""
    found = select(Version.number, Version.plan).where(
        Version.model_id == model_id(session, model), Version.number.in_(numbers)
    )
    return {row.number: row.plan for row in session.execute(found)}


def version_records(session: Session, statement: Statement, parameters: Row | None = None) -> tuple[VersionRecord, ...]:
    """Run a statement made from `VERSIONS` and add the figures."""
    rows = session.connection().execute(statement, parameters)
    names = tuple(rows.keys())[11:]
    found = {row[10]: row for row in rows}
    metrics: dict[int, dict[str, float]] = {key: {} for key in found}
    for version, name, value in session.connection().execute(FIGURES, {"versions": list(found)}) if found else ():
        metrics[version][name] = value
    return tuple(
        VersionRecord(
            base=StoredArtifact(*row[:5]),
            head=StoredArtifact(*row[5:10]),
            metrics=metrics[key],
            **dict(zip(names, row[11:], strict=True)),
        )
        for key, row in found.items()
    )


def refit(session: Session, model: str, number: int) -> int | None:
    """The version that is the refit of this one on everything that was pending; None if it was not refit."""
    refits = select(func.max(Version.number)).where(Version.refit_of_id == version_id(session, model, number))
    return session.scalar(refits)


def learning_curves(session: Session, model: str, number: int) -> tuple[EpochMetric, ...]:
    """A version's learning curves, by stage, epoch and name."""
    curves = select_as(EpochMetric, EpochMetricRow)
    of_version = curves.where(EpochMetricRow.version_id == version_id(session, model, number))
    in_order = of_version.order_by(EpochMetricRow.stage, EpochMetricRow.epoch, EpochMetricRow.name)
    return read(session, in_order, EpochMetric)
