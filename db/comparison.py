"""Versions beside each other: all of a model's in one list, or two of them in detail."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import and_, func, literal, select
from sqlalchemy.orm import Session, aliased

from db.lineage import TAINTED, ancestors, trained_on
from db.lookups import CHAMPION_ID, model_id
from db.records import VersionDiff, VersionSummary
from db.statements import select_as
from db.tables import Evaluation, EvaluationMetric, Version, VersionMetric
from db.versions import version
from errors import RegistryError

Parent = aliased(Version)
Proof = aliased(Version)
Against = aliased(Version)
Later = aliased(Evaluation)
# A refit's verdict is that on its proof, unless it has one of its own.
NEWEST_EVALUATION = (
    select(func.max(Later.id))
    .where(Later.challenger_id.in_((Version.id, Version.refit_of_id)))
    .correlate(Version)
    .scalar_subquery()
)


def summaries(
    session: Session, model: str, order_by: str | None = None, limit: int | None = None
) -> tuple[VersionSummary, ...]:
    """A model's versions with the gate's newest verdict on each and the figure that decided, newest first.

    Args:
        session: the transaction.
        model: name of the model.
        order_by: a metric, lowest first; "-metric" for the highest first. A version without it comes last.
        limit: how many; by default all.
    """
    metric = (order_by or "").removeprefix("-") or None
    statement = (
        select_as(
            VersionSummary,
            Version,
            parent=Parent.number,
            refit_of=Proof.number,
            champion=Version.id.in_(CHAMPION_ID),
            tainted=Version.number.in_(TAINTED),
            passed=Evaluation.passed,
            reason=Evaluation.reason,
            against=Against.number,
            metric=literal(metric) if metric else EvaluationMetric.metric,
            value=VersionMetric.value if metric else EvaluationMetric.challenger_value,
            delta=EvaluationMetric.delta,
            base=Version.base_digest,
            head=Version.head_digest,
        )
        .outerjoin(Parent, Parent.id == Version.parent_id)
        .outerjoin(Proof, Proof.id == Version.refit_of_id)
        .outerjoin(Evaluation, Evaluation.id == NEWEST_EVALUATION)
        .outerjoin(Against, Against.id == Evaluation.champion_id)
        .outerjoin(
            EvaluationMetric,
            and_(EvaluationMetric.evaluation_id == Evaluation.id, EvaluationMetric.position == 0),
        )
        .where(Version.model_id == model_id(session, model))
        .limit(limit)
    )
    if metric and order_by:
        of_version = and_(VersionMetric.version_id == Version.id, VersionMetric.name == metric)
        statement = statement.outerjoin(VersionMetric, of_version)
        direction = VersionMetric.value.desc() if order_by.startswith("-") else VersionMetric.value.asc()
        statement = statement.order_by(direction.nulls_last())
    statement = statement.order_by(Version.number.desc())
    found = tuple(map(VersionSummary._make, session.connection().execute(statement, {"model": model})))
    if metric and all(math.isnan(version.value) for version in found):
        _assert_known(session, model, metric)
    return found


def _assert_known(session: Session, model: str, metric: str) -> None:
    """Answer a misspelt metric with those that there are."""
    of_model = Version.model_id == model_id(session, model)
    known = set(session.scalars(select(VersionMetric.name).join(Version).where(of_model).distinct()))
    if metric not in known:
        raise RegistryError(
            f"metric '{metric}' of model '{model}'",
            "no version has it",
            f"use one of: {', '.join(sorted(known))}" if known else "register versions with metrics",
        )


def diff(session: Session, model: str, a: int, b: int) -> VersionDiff:
    """Two versions side by side.

    Raises:
        UnknownVersion: one of them does not exist.
    """
    one, other = version(session, model, a), version(session, model, b)
    line = {version.number for version in ancestors(session, model, a)}
    shared = [version.number for version in ancestors(session, model, b) if version.number in line]
    learned_a = {partition.digest: None for partition in trained_on(session, model, a)}
    learned_b = {partition.digest: None for partition in trained_on(session, model, b)}
    return VersionDiff(
        a=one,
        b=other,
        same_base=one.base.digest == other.base.digest,
        same_head=one.head.digest == other.head.digest,
        ancestor=max(shared, default=None),
        plan=_differences(flat(one.plan), flat(other.plan), None),
        environment=_differences(flat(one.environment), flat(other.environment), None),
        metrics=_differences(one.metrics, other.metrics, math.nan),
        only_a=tuple(digest for digest in learned_a if digest not in learned_b),
        only_b=tuple(digest for digest in learned_b if digest not in learned_a),
    )


def _differences(one: dict[str, Any], other: dict[str, Any], absent: Any) -> dict[str, tuple[Any, Any]]:
    names = sorted(one.keys() | other.keys())
    pairs = {name: (one.get(name, absent), other.get(name, absent)) for name in names}
    return {name: pair for name, pair in pairs.items() if repr(pair[0]) != repr(pair[1])}  # NaN is not itself


def flat(document: Any, name: str = "") -> dict[str, Any]:
    """Flatten a JSON document: its leaves by dotted name.

    Example:
        >>> flat({"stages": [{"name": "head", "epochs": 20}], "replay": 1.0})
        {'stages.0.name': 'head', 'stages.0.epochs': 20, 'replay': 1.0}
    """
    if isinstance(document, dict):
        parts = document.items()
    elif isinstance(document, list):
        parts = {str(place): item for place, item in enumerate(document)}.items()
    else:
        return {name: document}
    prefix = f"{name}." if name else ""
    return {key: leaf for part, item in parts for key, leaf in flat(item, f"{prefix}{part}").items()}
