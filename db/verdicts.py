"""What was measured about versions: drift checks, evaluations by the gate, and scores on what arrived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from db.lookups import model_id, now, partition_ids, version_id
from db.measurement_records import (
    DriftCheckRecord,
    DriftColumn,
    EvaluationMetric,
    EvaluationRecord,
    NewDriftCheck,
    NewEvaluation,
    NewScores,
    ScoreRecord,
)
from db.statements import Statement, columns_of, read, select_as
from db.tables import DriftCheck, Evaluation, Model, Partition, Score, Version
from db.tables import DriftColumn as DriftColumnRow
from db.tables import EvaluationMetric as EvaluationMetricRow
from db.writing import add_if_new, add_row, add_rows

Part = TypeVar("Part")
Challenger = aliased(Version)
Champion = aliased(Version)


def record_drift(session: Session, new: NewDriftCheck) -> int:
    """Record a drift check and its columns."""
    check = add_row(
        session,
        DriftCheck,
        run_id=new.run_id,
        model_id=model_id(session, new.model),
        champion_id=version_id(session, new.model, new.champion),
        drifted=new.drifted,
        share=new.share,
        reason=new.reason,
        report_uri=new.report_uri,
        at=now(),
    )
    add_rows(session, DriftColumnRow, [{"check_id": check, **vars(column)} for column in new.columns])
    return check


def drift_checks(session: Session, model: str, limit: int | None = None) -> tuple[DriftCheckRecord, ...]:
    """A model's drift checks, newest first."""
    statement = (
        select_as(DriftCheckRecord, DriftCheck, model=Model.name, champion=Version.number)
        .join(Model, Model.id == DriftCheck.model_id)
        .join(Version, Version.id == DriftCheck.champion_id)
        .where(DriftCheck.model_id == model_id(session, model))
        .order_by(DriftCheck.id.desc())
        .limit(limit)
    )
    checks = session.execute(statement).mappings().all()
    compared = _parts(
        session,
        select(DriftColumnRow.check_id, *columns_of(DriftColumnRow, DriftColumn))
        .where(DriftColumnRow.check_id.in_([check["id"] for check in checks]))
        .order_by(DriftColumnRow.check_id, DriftColumnRow.column, DriftColumnRow.method),
        DriftColumn,
    )
    return tuple(DriftCheckRecord(**check, columns=compared.get(check["id"], ())) for check in checks)


def record_evaluation(session: Session, new: NewEvaluation) -> int:
    """Record the gate's verdict and every figure it rests on."""
    evaluation = add_row(
        session,
        Evaluation,
        run_id=new.run_id,
        challenger_id=version_id(session, new.model, new.challenger),
        champion_id=None if new.champion is None else version_id(session, new.model, new.champion),
        passed=new.passed,
        reason=new.reason,
        at=now(),
    )
    metrics = [
        {"evaluation_id": evaluation, "position": position, **vars(metric)}
        for position, metric in enumerate(new.metrics)
    ]
    add_rows(session, EvaluationMetricRow, metrics)
    return evaluation


def evaluations(session: Session, model: str, number: int) -> tuple[EvaluationRecord, ...]:
    """The gate's verdicts on one version, oldest first."""
    return _evaluations(session, Evaluation.challenger_id == version_id(session, model, number))


def run_evaluations(session: Session, run_id: int) -> tuple[EvaluationRecord, ...]:
    """The gate's verdicts in one run, oldest first."""
    return _evaluations(session, Evaluation.run_id == run_id)


def _evaluations(session: Session, wanted: ColumnElement[bool]) -> tuple[EvaluationRecord, ...]:
    numbers = {"challenger": Challenger.number, "champion": Champion.number}
    statement = (
        select_as(EvaluationRecord, Evaluation, model=Model.name, **numbers)
        .join(Challenger, Challenger.id == Evaluation.challenger_id)
        .join(Model, Model.id == Challenger.model_id)
        .outerjoin(Champion, Champion.id == Evaluation.champion_id)
        .where(wanted)
        .order_by(Evaluation.id)
    )
    found = session.execute(statement).mappings().all()
    metrics = _parts(
        session,
        select(EvaluationMetricRow.evaluation_id, *columns_of(EvaluationMetricRow, EvaluationMetric))
        .where(EvaluationMetricRow.evaluation_id.in_([row["id"] for row in found]))
        .order_by(EvaluationMetricRow.evaluation_id, EvaluationMetricRow.position),
        EvaluationMetric,
    )
    return tuple(EvaluationRecord(**row, metrics=metrics.get(row["id"], ())) for row in found)


def record_scores(
    session: Session, model: str, number: int, new: Sequence[NewScores], run_id: int | None = None
) -> None:
    """Record a version's figures on partitions it has not learned from; the first score of each stands."""
    version, at = version_id(session, model, number), now()
    ids = partition_ids(session, model_id(session, model), {score.partition for score in new})
    scores = [
        {
            "version_id": version,
            "partition_id": ids[score.partition],
            "metric": metric,
            "value": value,
            "rows": score.rows,
            "run_id": run_id,
            "at": at,
        }
        for score in new
        for metric, value in score.metrics.items()
    ]
    add_if_new(session, Score, scores)


def scores(session: Session, model: str) -> tuple[ScoreRecord, ...]:
    """Every score of a model's versions, in order of event time."""
    of_partition = {"partition": Partition.digest, "time_from": Partition.time_from}
    statement = (
        select_as(ScoreRecord, Score, number=Version.number, **of_partition)
        .join(Version, Version.id == Score.version_id)
        .join(Partition, Partition.id == Score.partition_id)
        .where(Version.model_id == model_id(session, model))
        .order_by(Partition.time_from, Partition.id, Version.number, Score.metric)
    )
    return read(session, statement, ScoreRecord)


def _parts(session: Session, statement: Statement, make: Callable[..., Part]) -> dict[int, tuple[Part, ...]]:
    """Rows of a statement ordered by its first column, the owner's id: owner to its parts."""
    rows = session.execute(statement).all()
    return {owner: tuple(make(*row[1:]) for row in some) for owner, some in groupby(rows, itemgetter(0))}
