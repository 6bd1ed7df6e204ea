"""What monitoring found: drift checks, how the champion fared, and what it was estimated to reach without labels."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, type_coerce
from sqlalchemy.orm import Session

from clock import now
from db.arrival_tables import Partition
from db.columns import Bound
from db.lookups import model_id, partition_ids, version_id
from db.statements import (
    Statement,
    add_if_new,
    add_row,
    add_rows,
    columns_of,
    parts_of,
    portions,
    read,
    row_of,
    select_as,
)
from db.tables import DriftCheck, DriftWindow, Estimate, Model, PerformanceCheck, Score, Version
from db.tables import DriftColumn as DriftColumnRow
from db.verdict_records import (
    DriftCheckRecord,
    DriftColumn,
    EstimateRecord,
    NewDriftCheck,
    NewEstimate,
    NewPerformanceCheck,
    PerformanceCheckRecord,
    Window,
)

TRUTH = (
    select(Score.value)
    .where(
        Score.version_id == Estimate.version_id,
        Score.partition_id == Estimate.partition_id,
        Score.metric == Estimate.metric,
    )
    .scalar_subquery()
)


def record_drift(session: Session, new: NewDriftCheck) -> int:
    """Record a drift check, its windows and its columns."""
    model, champion = model_id(session, new.model), version_id(session, new.model, new.champion)
    row = row_of(DriftCheck, new, model_id=model, champion_id=champion, at=now())
    check = add_row(session, DriftCheck, row)
    windows = {"reference": new.reference, "current": new.current}
    found = (row_of(DriftWindow, window, check_id=check, side=side) for side, window in windows.items() if window)
    add_rows(session, DriftWindow, found)
    add_rows(session, DriftColumnRow, (row_of(DriftColumnRow, column, check_id=check) for column in new.columns))
    return check


def drift_checks(
    session: Session, model: str, limit: int | None = None, *, run_id: int | None = None
) -> tuple[DriftCheckRecord, ...]:
    """A model's drift checks, newest first; with `run_id` those of one run."""
    statement = (
        select_as(DriftCheckRecord, DriftCheck, model=Model.name, champion=Version.number)
        .join(Model, Model.id == DriftCheck.model_id)
        .join(Version, Version.id == DriftCheck.champion_id)
    )
    checks = (
        session.execute(_newest(_of_run(statement, DriftCheck, run_id), DriftCheck, session, model, limit))
        .mappings()
        .all()
    )
    ids = [check["id"] for check in checks]
    in_order = (DriftColumnRow.column, DriftColumnRow.method)
    columns = parts_of(session, DriftColumn, DriftColumnRow.check_id, ids, in_order)
    windows = _windows(session, ids)
    return tuple(
        DriftCheckRecord(
            **check,
            columns=columns.get(check["id"], ()),
            reference=windows.get((check["id"], "reference")),
            current=windows.get((check["id"], "current")),
        )
        for check in checks
    )


def _windows(session: Session, checks: Sequence[int]) -> dict[tuple[int, str], Window]:
    """The windows of some drift checks, by check and side."""
    statement = select(DriftWindow.check_id, DriftWindow.side, *columns_of(DriftWindow, Window))
    rows = (
        row for some in portions(checks) for row in session.execute(statement.where(DriftWindow.check_id.in_(some)))
    )
    return {(check, side): Window(*rest) for check, side, *rest in rows}


def record_performance(session: Session, new: NewPerformanceCheck) -> int:
    """Record how the champion fared."""
    model, champion = model_id(session, new.model), version_id(session, new.model, new.champion)
    return add_row(
        session, PerformanceCheck, row_of(PerformanceCheck, new, model_id=model, champion_id=champion, at=now())
    )


def performance_checks(
    session: Session, model: str, limit: int | None = None, *, run_id: int | None = None
) -> tuple[PerformanceCheckRecord, ...]:
    """How a model's champions fared, newest check first; with `run_id` the checks of one run."""
    statement = (
        select_as(PerformanceCheckRecord, PerformanceCheck, model=Model.name, champion=Version.number)
        .join(Model, Model.id == PerformanceCheck.model_id)
        .join(Version, Version.id == PerformanceCheck.champion_id)
    )
    of_run = _of_run(statement, PerformanceCheck, run_id)
    return read(session, _newest(of_run, PerformanceCheck, session, model, limit), PerformanceCheckRecord)


def record_estimates(
    session: Session, model: str, number: int, new: Sequence[NewEstimate], run_id: int | None = None
) -> None:
    """Record what a version is estimated to reach on partitions; the first estimate of each stands.

    Raises:
        UnknownVersion: the model has no version of this number.
        UnknownPartition: the model has no partition of one of the digests.
    """
    if not new:
        return
    ids = partition_ids(session, model_id(session, model), {estimate.partition for estimate in new})
    of_version = {"version_id": version_id(session, model, number), "run_id": run_id, "at": now()}
    rows = [row_of(Estimate, estimate, partition_id=ids[estimate.partition], **of_version) for estimate in new]
    add_if_new(session, Estimate, rows)


def estimates(session: Session, model: str) -> tuple[EstimateRecord, ...]:
    """Every estimate of a model's versions beside what came, in order of event time."""
    of_partition = {"partition": Partition.digest, "time_from": Partition.time_from}
    statement = (
        select_as(EstimateRecord, Estimate, number=Version.number, truth=type_coerce(TRUTH, Bound), **of_partition)
        .join(Version, Version.id == Estimate.version_id)
        .join(Partition, Partition.id == Estimate.partition_id)
        .where(Version.model_id == model_id(session, model))
        .order_by(Partition.time_from, Partition.id, Version.number, Estimate.metric)
    )
    return read(session, statement, EstimateRecord)


def _of_run(statement: Statement, table: type[DriftCheck | PerformanceCheck], run_id: int | None) -> Statement:
    """A statement about the checks of one run, or of all."""
    return statement if run_id is None else statement.where(table.run_id == run_id)


def _newest(
    statement: Statement,
    table: type[DriftCheck | PerformanceCheck],
    session: Session,
    model: str,
    limit: int | None,
) -> Statement:
    """A statement about one model's checks, newest first."""
    return statement.where(table.model_id == model_id(session, model)).order_by(table.id.desc()).limit(limit)
