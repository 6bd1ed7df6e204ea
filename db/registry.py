"""The registry: which version is in production, since when, why, learned from what, and how to go back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, select

from db import comparison, lineage, partitions, promotions, runs, schema, verdicts, versions
from db.engine import open_engine, read_scope, session_scope
from db.lookups import now, valid_name
from db.records import (
    DriftCheckRecord,
    EpochMetric,
    EvaluationRecord,
    NewDriftCheck,
    NewEvaluation,
    NewPartition,
    NewPromotion,
    NewScores,
    NewVersion,
    PartitionRecord,
    PromotionKind,
    PromotionRecord,
    Recall,
    RunEnding,
    RunRecord,
    ScoreRecord,
    VersionDiff,
    VersionRecord,
    VersionSummary,
)
from db.tables import Model
from db.writing import add_if_new


def open_registry(url: str) -> ModelRegistry:
    """Open the registry at a database URL; in an empty database its tables are made first.

    Raises:
        RegistryUnavailable: the database cannot be reached, or the URL names none.
        RegistryOutdated: its tables are not the ones this code writes; says what to do.
    """
    engine = open_engine(url)
    try:
        schema.prepare(engine)
    except BaseException:
        engine.dispose()
        raise
    return ModelRegistry(engine)


class ModelRegistry:
    """Every model, version, promotion, run and verdict. Each call is one transaction.

    Args:
        engine: a database that has the registry's tables; `open_registry` sees to that.

    Example:
        >>> with open_registry("sqlite:///registry.db") as registry:  # doctest: +SKIP
        ...     registry.champion("flights").number
        12
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    # Models

    def add_model(self, name: str) -> None:
        """Make a model known; knowing it already is fine.

        Raises:
            InvalidName: the name could not be a file or a column value.
        """
        row = {"name": valid_name(name), "next_version": 1, "created_at": now()}
        with session_scope(self.engine) as session:
            add_if_new(session, Model, [row])

    def models(self) -> tuple[str, ...]:
        """The names of all models."""
        with read_scope(self.engine) as session:
            return tuple(session.scalars(select(Model.name).order_by(Model.name)))

    # Runs

    def start_run(self, model: str, *, trigger: str, flow_run_id: str | None = None) -> RunRecord:
        """Open a run."""
        with session_scope(self.engine) as session:
            return runs.start(session, model, trigger=trigger, flow_run_id=flow_run_id)

    def finish_run(  # noqa: PLR0913 - how a run ended, in named words
        self,
        run_id: int,
        *,
        outcome: str,
        decision: str,
        reason: str,
        work_key: str | None = None,
        timings: dict[str, float] | None = None,
    ) -> None:
        """Record how a run ended; it ends once."""
        with session_scope(self.engine) as session:
            runs.finish(session, run_id, RunEnding(outcome, decision, reason, work_key, timings or {}))

    def run_with_work_key(self, model: str, work_key: str) -> RunRecord | None:
        """The newest finished run that did this very work."""
        with read_scope(self.engine) as session:
            return runs.with_work_key(session, model, work_key)

    def runs(self, model: str, limit: int = 20) -> tuple[RunRecord, ...]:
        """A model's runs, newest first."""
        with read_scope(self.engine) as session:
            return runs.newest(session, model, limit)

    # Partitions

    def add_partition(self, new: NewPartition) -> PartitionRecord:
        """Add a stored partition as the newest one."""
        return partitions.add_partition(self.engine, new)

    def partitions(self, model: str) -> tuple[PartitionRecord, ...]:
        """Every partition that may be learned from, oldest event time first."""
        with read_scope(self.engine) as session:
            return lineage.partitions(session, model)

    def partition(self, model: str, digest: str) -> PartitionRecord:
        """One partition, named by its digest or the beginning of it; also one that was taken back."""
        with read_scope(self.engine) as session:
            return lineage.partition(session, model, digest)

    def pending(self, model: str, number: int | None = None) -> tuple[PartitionRecord, ...]:
        """What a version (by default the champion) and its ancestors have not learned from."""
        with read_scope(self.engine) as session:
            return lineage.pending(session, model, number)

    def trained_on(self, model: str, number: int) -> tuple[PartitionRecord, ...]:
        """What a version and its ancestors learned from, partitions taken back left out."""
        with read_scope(self.engine) as session:
            return lineage.trained_on(session, model, number)

    def learned_by(self, model: str, number: int) -> tuple[PartitionRecord, ...]:
        """What one version learned from, its ancestors left out."""
        with read_scope(self.engine) as session:
            return lineage.learned_by(session, model, number)

    def recall(self, model: str, digest: str, *, reason: str, actor: str) -> Recall:
        """Take a partition back, named by its digest or the beginning of it, and say which versions it taints."""
        with session_scope(self.engine) as session:
            return lineage.recall(session, model, digest, reason=reason, actor=actor)

    # Versions

    def register(self, new: NewVersion) -> VersionRecord:
        """Add a version, with its lineage, figures and learning curves, under the model's next number."""
        with session_scope(self.engine) as session:
            return versions.register(session, new)

    def record_metrics(self, model: str, number: int, metrics: dict[str, float]) -> None:
        """Add figures to a version; one that it has already stays as it was."""
        with session_scope(self.engine) as session:
            versions.add_metrics(session, model, number, metrics)

    def version(self, model: str, number: int) -> VersionRecord:
        """One version.

        Raises:
            UnknownVersion: the model has none of this number.
        """
        with read_scope(self.engine) as session:
            return versions.version_record(session, model, number)

    def versions(self, model: str, order_by: str | None = None, limit: int | None = None) -> tuple[VersionSummary, ...]:
        """A model's versions with the gate's verdict on each, newest first.

        Args:
            model: name of the model.
            order_by: a metric, lowest first; "-metric" for the highest first.
            limit: how many; by default all.
        """
        with read_scope(self.engine) as session:
            return comparison.summaries(session, model, order_by, limit)

    def learning_curves(self, model: str, number: int) -> tuple[EpochMetric, ...]:
        """A version's learning curves."""
        with read_scope(self.engine) as session:
            return versions.learning_curves(session, model, number)

    def lineage(self, model: str, number: int) -> tuple[VersionRecord, ...]:
        """A version and all that it descends from, newest first."""
        with read_scope(self.engine) as session:
            return lineage.ancestors(session, model, number)

    def tainted(self, model: str) -> tuple[int, ...]:
        """The versions that learned from a recalled partition, or descend from one that did."""
        with read_scope(self.engine) as session:
            return tuple(sorted(lineage.tainted_versions(session, model)))

    def diff(self, model: str, a: int, b: int) -> VersionDiff:
        """Two versions side by side."""
        with read_scope(self.engine) as session:
            return comparison.diff(session, model, a, b)

    # Promotions

    def champion(self, model: str) -> VersionRecord:
        """The version in production.

        Raises:
            NoChampion: nothing was promoted yet.
        """
        with read_scope(self.engine) as session:
            return promotions.champion(session, model)

    def find_champion(self, model: str) -> VersionRecord | None:
        """The version in production, or None."""
        with read_scope(self.engine) as session:
            return promotions.find_champion(session, model)

    def champion_at(self, model: str, when: datetime) -> VersionRecord | None:
        """The version that was in production at an instant, or None."""
        with read_scope(self.engine) as session:
            return promotions.find_champion(session, model, when)

    def promotions(self, model: str) -> tuple[PromotionRecord, ...]:
        """Every promotion and rollback, newest last."""
        with read_scope(self.engine) as session:
            return promotions.promotions(session, model)

    def sequence(self, model: str) -> int:
        """The number of the newest promotion; 0 if there is none."""
        with read_scope(self.engine) as session:
            return promotions.sequence(session, model)

    def promote(  # noqa: PLR0913 - the facts of a promotion, in named words
        self,
        model: str,
        number: int,
        *,
        seen: int,
        kind: PromotionKind,
        actor: str,
        reason: str,
        evaluation_id: int | None = None,
    ) -> PromotionRecord:
        """Make a version the champion, provided that nothing was promoted since sequence `seen`.

        Raises:
            PromotionConflict: someone else promoted first; evaluate against the new champion.
            TaintedVersion: the version learned from a recalled partition.
        """
        new = NewPromotion(model, number, seen, kind, actor, reason, evaluation_id)
        with session_scope(self.engine) as session:
            return promotions.promote(session, new)

    def rollback(self, model: str, *, to: int | None = None, actor: str, reason: str) -> PromotionRecord:
        """Put a version back in production, by default the newest clean one before the present champion.

        Raises:
            NothingToRollBack: there is no such version.
        """
        with session_scope(self.engine) as session:
            return promotions.rollback(session, model, to=to, actor=actor, reason=reason)

    # What was measured

    def record_drift(self, new: NewDriftCheck) -> int:
        """Record a drift check; returns its id."""
        with session_scope(self.engine) as session:
            return verdicts.add_drift_check(session, new)

    def drift_checks(self, model: str, limit: int | None = None) -> tuple[DriftCheckRecord, ...]:
        """A model's drift checks, newest first."""
        with read_scope(self.engine) as session:
            return verdicts.drift_checks(session, model, limit)

    def record_evaluation(self, new: NewEvaluation) -> int:
        """Record the gate's verdict on a challenger; returns its id."""
        with session_scope(self.engine) as session:
            return verdicts.add_evaluation(session, new)

    def evaluations(self, model: str, number: int) -> tuple[EvaluationRecord, ...]:
        """The gate's verdicts on one version, oldest first."""
        with read_scope(self.engine) as session:
            return verdicts.evaluations(session, model=model, number=number)

    def run_evaluations(self, run_id: int) -> tuple[EvaluationRecord, ...]:
        """The gate's verdicts in one run, oldest first."""
        with read_scope(self.engine) as session:
            return verdicts.evaluations(session, run_id=run_id)

    def record_scores(self, model: str, number: int, scores: Sequence[NewScores], run_id: int | None = None) -> None:
        """Record a version's figures on partitions before anything trains on them; the first ones stand."""
        with session_scope(self.engine) as session:
            verdicts.add_scores(session, model, number, scores, run_id)

    def scores(self, model: str) -> tuple[ScoreRecord, ...]:
        """Every score of a model's versions, in order of event time."""
        with read_scope(self.engine) as session:
            return verdicts.scores(session, model)
