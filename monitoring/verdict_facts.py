"""All that is known of one verdict of the gate, gathered from the registry's facts for people to see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from clock import now
from errors import RegistryError

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from db.records import EpochMetric, PromotionRecord, VersionRecord
    from db.registry import ModelRegistry
    from db.verdict_records import DriftCheckRecord, EvaluationCurve, EvaluationRecord, PromiseRecord


@dataclass(frozen=True)
class Judged:
    """A challenger, and all that there is to see of how it was judged.

    Args:
        model: its name.
        at: when this was gathered.
        evaluation: the gate's verdict.
        earlier: verdicts on the same version before that, oldest first.
        curves: of champion and challenger.
        challenger: the version.
        refit: the version that was trained like it on all that was pending; None where there is none.
        promotion: with which it, or its refit, was put in production; None if it was not.
        replaced: with which another version took its place; None as long as none has.
        promise: what was announced of that, and came; None where nothing was.
        promises: every promise of the model.
        epochs: how its training went.
        drift: the drift check of the same run; None where there was none.
        line: the version and all that it descends from.
        learned: what it learned itself, and learned in part, as (partition, whether in part).
        known: how many rows its line learned, in how many partitions.
        tainted: whether it, or a version that it descends from, learned from a recalled partition.
    """

    model: str
    at: datetime
    evaluation: EvaluationRecord
    earlier: tuple[EvaluationRecord, ...]
    curves: tuple[EvaluationCurve, ...]
    challenger: VersionRecord
    refit: int | None
    promotion: PromotionRecord | None
    replaced: PromotionRecord | None
    promise: PromiseRecord | None
    promises: tuple[PromiseRecord, ...]
    epochs: tuple[EpochMetric, ...]
    drift: DriftCheckRecord | None
    line: tuple[VersionRecord, ...]
    learned: tuple[tuple[PartitionRecord, bool], ...]
    known: tuple[int, int]
    tainted: bool


def judged(registry: ModelRegistry, model: str, number: int | None = None) -> Judged:
    """Gather what there is to see of the newest verdict on a version, or on a model's versions.

    Args:
        registry: where the facts are.
        model: its name.
        number: the version; of a refit, its proof was judged. By default the one that was judged last.

    Raises:
        UnknownModel: the registry has no model of this name.
        UnknownVersion: the model has no version of this number.
        RegistryError: the gate has judged none.
    """
    evaluations = _evaluations(registry, model, number)
    evaluation = evaluations[-1]
    challenger = evaluation.challenger
    refit, learned = registry.refit(model, challenger), registry.trained_on(model, challenger)
    promotions = registry.promotions(model)
    promotion = next((p for p in promotions if p.number in {challenger, refit}), None)
    replaced = next((p for p in promotions if promotion and p.sequence > promotion.sequence), None)
    promises = registry.promises(model)
    checks = registry.drift_checks(model) if evaluation.run_id is not None else ()
    return Judged(
        model=model,
        at=now(),
        evaluation=evaluation,
        earlier=evaluations[:-1],
        curves=registry.evaluation_curves(evaluation.id),
        challenger=registry.version(model, challenger),
        refit=refit,
        promotion=promotion,
        replaced=replaced,
        promise=next((p for p in promises if promotion and p.sequence == promotion.sequence), None),
        promises=promises,
        epochs=registry.learning_curves(model, challenger),
        drift=next((check for check in checks if check.run_id == evaluation.run_id), None),
        line=registry.lineage(model, challenger),
        learned=(
            *((partition, False) for partition in registry.learned_by(model, challenger)),
            *((partition, True) for partition in registry.learned_by(model, challenger, "partly")),
        ),
        known=(sum(partition.rows for partition in learned), len(learned)),
        tainted=challenger in registry.tainted(model),
    )


def _evaluations(registry: ModelRegistry, model: str, number: int | None) -> tuple[EvaluationRecord, ...]:
    """The verdicts on a version or its proof, or on the version that was judged last: oldest first, at least one."""
    if number is None:
        newest = registry.model_evaluations(model, limit=1)
        found = registry.evaluations(model, newest[0].challenger) if newest else ()
        what, why = f"model '{model}'", "the gate has not judged a version of it yet"
    else:
        proof = registry.version(model, number).refit_of
        found = registry.evaluations(model, proof or number) or registry.evaluations(model, number)
        what, why = f"version {number} of model '{model}'", "the gate has not judged it"
    if not found:
        raise RegistryError(what, why, f"`evergreen registry versions {model}` says which were judged")
    return found
