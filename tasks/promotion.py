"""Let the challenger meet the champion, and take its place if the gate says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from prefect import get_run_logger

from db.records import NewEvaluation, PromotionKind
from errors import PromotionConflict
from tasks.evaluation import NEWEST, Paired, judge, past_eras
from tasks.house import House, opened
from tasks.recording import Ending, Run, step

ACTOR = "gate"


@dataclass(frozen=True)
class PromotionDecision:
    """What the gate said of a challenger, against which champion (None: a constant), seen at which sequence."""

    challenger: int
    champion: int | None
    seen: int
    evaluation_id: int
    passed: bool
    reason: str


def evaluate(house: House, run_id: int, challenger: int) -> PromotionDecision:
    """Compare a challenger with the present champion on holdout rows, and record every figure.

    The first version has no champion to beat; it is compared with the best constant, and the registry says so. So is
    one that was bootstrapped because its champion had learned from recalled data.
    """
    registry, spec = house.registry, house.spec
    seen = registry.sequence(spec.name)
    champion = registry.find_champion(spec.name)
    if champion and champion.number in registry.tainted(spec.name):
        champion = None
    verdict = judge(pair(house, challenger, champion.number if champion else None), spec.objective, spec.gate)
    reason = overtaken(house, challenger, champion.number) if champion else ""
    if reason:
        verdict = replace(verdict, passed=False, reason=reason)
    evaluation_id = registry.record_evaluation(
        NewEvaluation(
            run_id=run_id,
            model=spec.name,
            challenger=challenger,
            champion=champion.number if champion else None,
            passed=verdict.passed,
            reason=verdict.reason,
            metrics=verdict.metrics,
        )
    )
    newest = {m.metric: m.challenger for m in verdict.metrics if m.dataset == NEWEST and not m.slice}
    registry.record_metrics(spec.name, challenger, newest)
    return PromotionDecision(
        challenger, champion.number if champion else None, seen, evaluation_id, verdict.passed, verdict.reason
    )


def overtaken(house: House, challenger: int, champion: int) -> str:
    """Why the figures no longer decide, as the champion changed while the challenger was trained; empty if they do."""
    registry, model = house.registry, house.spec.name
    parent = registry.version(model, challenger).parent
    if parent == champion:
        return ""
    newest = registry.promotions(model)[-1]
    if newest.actor != ACTOR:  # a person knows more than the figures say
        return f"version {champion} was put in production by {newest.actor} ({newest.kind}) while this one was trained"
    learned, known = ({p.digest for p in registry.trained_on(model, number)} for number in (challenger, champion))
    if learned <= known:
        return f"version {champion}, promoted while this one was trained, learned from the same rows"
    return ""


def pair(house: House, challenger: int, champion: int | None) -> Paired:
    """Predict the holdout rows of everything that the challenger's line learned from, with both versions."""
    from models.training.prediction import predict

    registry, spec = house.registry, house.spec
    learned = registry.trained_on(spec.name, challenger)
    old = registry.trained_on(spec.name, champion) if champion else ()
    eras = past_eras(old, spec.gate.eras)
    rows, cache = house.rows(learned), house.settings.cache
    after = predict(
        spec,
        house.files(registry.version(spec.name, challenger)),
        rows,
        split="holdout",
        cache=cache,
        columns=tuple(dict.fromkeys((*spec.gate.slices, *spec.schema.entity))),
    )
    if champion is None:
        constant = spec.objective.constant(after.target)
        before = np.tile(constant, (len(after.target), 1))
    else:
        version = registry.version(spec.name, champion)
        before = predict(spec, house.files(version), rows, split="holdout", cache=cache).prediction
    names = np.array([eras.get(partition.digest, NEWEST) for partition in learned])
    return Paired(
        after.target,
        before,
        after.prediction,
        names[after.partition],
        slices={column: after.columns[column] for column in spec.gate.slices},
        entity=numbered({column: after.columns[column] for column in spec.schema.entity}),
    )


def numbered(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.uint64] | None:
    """A number for every combination of values, shape (rows,); None of no columns."""
    if not columns:
        return None
    return pl.DataFrame(dict(columns)).select(pl.struct(pl.all()).hash()).to_series().to_numpy()


def promote(house: House, decision: PromotionDecision) -> Ending | None:
    """Promote a challenger that passed; None if somebody else promoted first and the gate has to judge again."""
    if not decision.passed and decision.champion is not None:
        return Ending("rejected", "retrain", decision.reason)
    kind: PromotionKind = "bootstrap" if decision.champion is None else "promote"
    try:
        house.registry.promote(
            house.spec.name,
            decision.challenger,
            seen=decision.seen,
            kind=kind,
            actor=ACTOR,
            reason=decision.reason,
            evaluation_id=decision.evaluation_id,
        )
    except PromotionConflict:
        return None
    return Ending("promoted", "bootstrap" if decision.champion is None else "retrain", decision.reason)


@step("evaluate the challenger")
def evaluate_challenger(run: Run, challenger: int) -> PromotionDecision:
    """Champion and challenger on the same holdout rows."""
    with opened(run.model) as house:
        decision = evaluate(house, run.id, challenger)
    if decision.champion is None and not decision.passed:
        get_run_logger().warning("version %d is not shown to be better than a constant prediction", challenger)
    get_run_logger().info("version %d: %s", challenger, decision.reason)
    return decision


@step("promote or reject")
def promote_challenger(run: Run, decision: PromotionDecision) -> Ending | None:
    """Promote what passed; None means that somebody else promoted first."""
    with opened(run.model) as house:
        return promote(house, decision)


def evaluate_and_promote(run: Run, challenger: int) -> Ending:
    """Let the gate judge; where somebody else promoted in the meantime, judge again, against the new champion."""
    while True:
        ending = promote_challenger(run, evaluate_challenger(run, challenger))
        if ending is not None:
            return ending
