"""What was measured about versions: drift checks, evaluations by the gate, and scores on what arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from clock import now
from db.arrival_tables import Partition
from db.lookups import made_online, model_id, partition_ids, version_id
from db.statements import add_if_new, add_row, add_rows, parts_of, read, row_of, select_as
from db.tables import Evaluation, EvaluationRule, Model, Score, Version
from db.tables import EvaluationCurve as EvaluationCurveRow
from db.tables import EvaluationMetric as EvaluationMetricRow
from db.verdict_records import (
    EvaluationCurve,
    EvaluationMetric,
    EvaluationRecord,
    NewEvaluation,
    NewScores,
    RuleVerdict,
    ScoreRecord,
)

Part = TypeVar("Part")
Challenger = aliased(Version)
Champion = aliased(Version)
AGAINST = select(Version.number).where(Version.id == EvaluationMetricRow.against_id).scalar_subquery()


def record_evaluation(session: Session, new: NewEvaluation, curves: Sequence[EvaluationCurve] = ()) -> int:
    """Record the gate's verdict, every figure it rests on, what each of its rules says, and curves to draw."""
    named = {new.challenger, new.champion, *(metric.against for metric in new.metrics)} - {None}
    ids = {None: None} | {number: version_id(session, new.model, number) for number in named if number is not None}
    versions = {"challenger_id": ids[new.challenger], "champion_id": ids[new.champion]}
    evaluation = add_row(session, Evaluation, row_of(Evaluation, new, at=now(), **versions))
    figures = [row_of(EvaluationMetricRow, metric, against_id=ids[metric.against]) for metric in new.metrics]
    for table, rows in (
        (EvaluationMetricRow, figures),
        (EvaluationRule, [row_of(EvaluationRule, rule) for rule in new.rules]),
    ):
        in_order = enumerate(rows)
        add_rows(session, table, (row | {"evaluation_id": evaluation, "position": place} for place, row in in_order))
    drawn = (row_of(EvaluationCurveRow, curve, evaluation_id=evaluation) for curve in curves)
    add_rows(session, EvaluationCurveRow, drawn)
    return evaluation


def record_rule(session: Session, evaluation_id: int, rule: RuleVerdict) -> None:
    """Record what one more rule says of a challenger, which was measured after the gate's verdict."""
    place = select(func.count()).where(EvaluationRule.evaluation_id == evaluation_id).select_from(EvaluationRule)
    known = {"evaluation_id": evaluation_id, "position": session.scalar(place)}
    add_if_new(session, EvaluationRule, [row_of(EvaluationRule, rule, **known)])


def evaluation_curves(session: Session, evaluation_id: int) -> tuple[EvaluationCurve, ...]:
    """The curves of one evaluation, by name and side; none of one that was recorded before curves were."""
    mine = select_as(EvaluationCurve, EvaluationCurveRow).where(EvaluationCurveRow.evaluation_id == evaluation_id)
    return read(session, mine.order_by(EvaluationCurveRow.name, EvaluationCurveRow.side), EvaluationCurve)


def evaluations(session: Session, model: str, number: int) -> tuple[EvaluationRecord, ...]:
    """The gate's verdicts on one version, oldest first."""
    return _evaluations(session, Evaluation.challenger_id == version_id(session, model, number))


def model_evaluations(
    session: Session, model: str, limit: int | None = None, *, online: bool | None = None
) -> tuple[EvaluationRecord, ...]:
    """The gate's verdicts on a model's versions, newest first.

    Args:
        session: the transaction.
        model: name of the model.
        limit: how many at most.
        online: whether only versions that were learned event by event count, or only others; None counts all. Of
            verdicts online there may be one every ten minutes: they say nothing of what a retrain comes to.
    """
    mine = Challenger.model_id == model_id(session, model)
    if online is not None:
        mine &= made_online(Challenger.plan) if online else ~made_online(Challenger.plan)
    return _evaluations(session, mine, Evaluation.id.desc(), limit)


def run_evaluations(session: Session, run_id: int) -> tuple[EvaluationRecord, ...]:
    """The gate's verdicts in one run, oldest first."""
    return _evaluations(session, Evaluation.run_id == run_id)


def _evaluations(
    session: Session, wanted: ColumnElement[bool], in_order: Any = Evaluation.id, limit: int | None = None
) -> tuple[EvaluationRecord, ...]:
    numbers = {"challenger": Challenger.number, "champion": Champion.number}
    statement = (
        select_as(EvaluationRecord, Evaluation, model=Model.name, **numbers)
        .join(Challenger, Challenger.id == Evaluation.challenger_id)
        .join(Model, Model.id == Challenger.model_id)
        .outerjoin(Champion, Champion.id == Evaluation.champion_id)
        .where(wanted)
        .order_by(in_order)
        .limit(limit)
    )
    found = session.execute(statement).mappings().all()
    ids = [row["id"] for row in found]
    owner, place = EvaluationMetricRow.evaluation_id, EvaluationMetricRow.position
    metrics = parts_of(session, EvaluationMetric, owner, ids, (place,), against=AGAINST)
    rules = parts_of(session, RuleVerdict, EvaluationRule.evaluation_id, ids, (EvaluationRule.position,))
    return tuple(
        EvaluationRecord(**row, metrics=metrics.get(row["id"], ()), rules=rules.get(row["id"], ())) for row in found
    )


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
