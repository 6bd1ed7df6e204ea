"""What was measured about versions: drift checks, evaluations by the gate, and scores on what arrived."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from db.arrival_tables import Partition
from db.lookups import model_id, now, partition_ids, version_id
from db.records import (
    DriftCheckRecord,
    DriftColumn,
    EvaluationMetric,
    EvaluationRecord,
    NewDriftCheck,
    NewEvaluation,
    NewScores,
    ScoreRecord,
)
from db.statements import add_if_new, add_row, add_rows, columns_of, read, row_of, select_as
from db.tables import DriftCheck, Evaluation, Model, Score, Version
from db.tables import DriftColumn as DriftColumnRow
from db.tables import EvaluationMetric as EvaluationMetricRow

Part = TypeVar("Part")
Challenger = aliased(Version)
Champion = aliased(Version)


def record_drift(session: Session, new: NewDriftCheck) -> int:
    """Record a drift check and its columns."""
    model, champion = model_id(session, new.model), version_id(session, new.model, new.champion)
    row = row_of(DriftCheck, new, model_id=model, champion_id=champion, at=now())
    check = add_row(session, DriftCheck, row)
    add_rows(session, DriftColumnRow, (row_of(DriftColumnRow, column, check_id=check) for column in new.columns))
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
    in_order = (DriftColumnRow.column, DriftColumnRow.method)
    columns = _parts(session, DriftColumn, DriftColumnRow.check_id, [check["id"] for check in checks], *in_order)
    return tuple(DriftCheckRecord(**check, columns=columns.get(check["id"], ())) for check in checks)


def record_evaluation(session: Session, new: NewEvaluation) -> int:
    """Record the gate's verdict and every figure it rests on."""
    champion = None if new.champion is None else version_id(session, new.model, new.champion)
    challenger = version_id(session, new.model, new.challenger)
    row = row_of(Evaluation, new, challenger_id=challenger, champion_id=champion, at=now())
    evaluation = add_row(session, Evaluation, row)
    metrics = enumerate(new.metrics)
    rows = (row_of(EvaluationMetricRow, m, evaluation_id=evaluation, position=place) for place, m in metrics)
    add_rows(session, EvaluationMetricRow, rows)
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
    owner, in_order = EvaluationMetricRow.evaluation_id, EvaluationMetricRow.position
    metrics = _parts(session, EvaluationMetric, owner, [row["id"] for row in found], in_order)
    return tuple(EvaluationRecord(**row, metrics=metrics.get(row["id"], ())) for row in found)


def record_scores(
    session: Session, model: str, number: int, new: Sequence[NewScores], run_id: int | None = None
) -> None:
    """Record a version's figures on partitions it has not learned from; the first score of each stands."""
    version, at = version_id(session, model, number), now()
    ids = partition_ids(session, model_id(session, model), {score.partition for score in new})
    of_version = {"version_id": version, "run_id": run_id, "at": at}
    scores = [
        row_of(Score, score, partition_id=ids[score.partition], metric=metric, value=value, **of_version)
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


def _parts(
    session: Session, part: type[Part], owner: Any, owners: Sequence[int], *in_order: Any
) -> dict[int, tuple[Part, ...]]:
    """The parts of some checks or evaluations, in order, by the id of what they belong to."""
    columns = columns_of(owner.class_, part)
    statement = select(owner, *columns).where(owner.in_(owners)).order_by(owner, *in_order)
    rows = session.execute(statement)
    return {key: tuple(part(*row[1:]) for row in some) for key, some in groupby(rows, itemgetter(0))}
