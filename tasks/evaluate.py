"""Let the challenger meet the champion on holdout rows that neither was ever trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from prefect import get_run_logger

from db.records import NewEvaluation
from errors import UnusableVersion
from evaluation.eras import past_eras
from evaluation.gate import NEWEST, Paired, judge
from learning.prediction import predict
from learning.startup import start_tensorflow
from tasks.infra_check import InfraCheck
from tasks.run import Context, Run, step

ACTOR = "gate"
MEND = "mend that and run again: what was trained is kept, and no version was promoted"
LOOK_AT = (
    "look at the labels (`evergreen schema infer FILE` says what each column seems to be), at the learning curves "
    "(`evergreen registry curves {} {}`) and the learning rate, then bootstrap again"
)


@dataclass(frozen=True)
class PromotionDecision:
    """What the gate said of a challenger, against which champion (None: a constant), seen at which sequence.

    `accepted` is whether it may be promoted. Beside those that passed, that is a first version that is not shown to be
    worse than a constant: there is no better one.
    """

    challenger: int
    champion: int | None
    seen: int
    evaluation_id: int
    passed: bool
    accepted: bool
    reason: str


def evaluate(context: Context, run_id: int, challenger: int, check: InfraCheck) -> PromotionDecision:
    """Compare a challenger with the present champion on holdout rows, and record every figure.

    The first version has no champion to beat; it is compared with the best constant, and the registry says so. So is
    one that was bootstrapped because its champion had learned from recalled data. One that would be promoted and
    answers much slower than the champion is rejected; a person may promote it all the same.

    Raises:
        UnusableVersion: it would be promoted, but a fresh process cannot load it, or answers otherwise than this one.
    """
    registry, spec = context.registry, context.spec
    seen = registry.sequence(spec.name)
    champion = registry.find_champion(spec.name)
    if champion and champion.number in registry.tainted(spec.name):
        champion = None
    paired = pair(context, challenger, champion.number if champion else None, check)
    verdict = judge(paired, spec.objective, spec.gate)
    accepted = verdict.passed or (champion is None and not verdict.harmful)
    if champion is None and not accepted:
        verdict = replace(verdict, reason=f"{verdict.reason}; {LOOK_AT.format(spec.name, challenger)}")
    late = overtaken(context, challenger, champion.number) if champion else ""
    unusable = check.failure() if accepted and not late else ""
    slow = check.slow() if accepted and not late and not unusable else ""
    if late or unusable or slow:
        accepted, verdict = False, replace(verdict, passed=False, reason=late or unusable or slow)
    evaluation_id = registry.record_evaluation(
        NewEvaluation(
            run_id=run_id,
            model=spec.name,
            challenger=challenger,
            champion=champion.number if champion else None,
            **vars(verdict),
        )
    )
    if unusable:
        raise UnusableVersion(f"version {challenger} of model '{spec.name}'", unusable, MEND)
    newest = {m.metric: m.challenger_value for m in verdict.metrics if m.dataset == NEWEST and not m.slice}
    registry.record_metrics(spec.name, challenger, newest)
    against = champion.number if champion else None
    return PromotionDecision(challenger, against, seen, evaluation_id, verdict.passed, accepted, verdict.reason)


def overtaken(context: Context, challenger: int, champion: int) -> str:
    """Why the figures no longer decide, as the champion changed while the challenger was trained; empty if they do."""
    registry, model = context.registry, context.spec.name
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


def pair(context: Context, challenger: int, champion: int | None, check: InfraCheck) -> Paired:
    """Predict the holdout rows of everything that the challenger's line learned from, with both versions.

    What the challenger says is also asked of a fresh process, which answers while the champion predicts.
    """
    start_tensorflow()
    registry, spec = context.registry, context.spec
    learned = registry.trained_on(spec.name, challenger)
    old = registry.trained_on(spec.name, champion) if champion else ()
    eras = past_eras(old, spec.gate.eras)
    rows, cache = context.partition_files(learned), context.settings.cache
    version = registry.version(spec.name, challenger)
    after = predict(
        spec,
        context.model_files(version),
        rows,
        split="holdout",
        cache=cache,
        columns=tuple(dict.fromkeys((*spec.gate.slices, *spec.schema.entity))),
    )
    present = registry.version(spec.name, champion) if champion else None
    check.begin(version, after, rows, present)
    if present is None:
        constant = spec.objective.constant(after.target)
        before = np.tile(constant, (len(after.target), 1))
    else:
        before = predict(spec, context.model_files(present), rows, split="holdout", cache=cache).prediction
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


@step("evaluate the challenger")
def evaluate_challenger(run: Run, challenger: int, check: InfraCheck) -> PromotionDecision:
    """Champion and challenger on the same holdout rows."""
    decision = evaluate(run.context, run.id, challenger, check)
    if decision.accepted and not decision.passed:
        get_run_logger().warning("version %d is not shown to be better than a constant prediction", challenger)
    get_run_logger().info("version %d: %s", challenger, decision.reason)
    return decision
