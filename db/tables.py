"""The registry's tables. A run's ending and the version counter aside, rows are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.arrival_tables import Partition
from db.columns import Base, Bound, Count, Hash, Key, Measured, Words


class Model(Base):
    """A named ModelSpec. `next_version` hands out version numbers: whoever adds one to it owns the old value."""

    __tablename__ = "model"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    next_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]


class ModelEvent(Base):
    """A model was renamed (`was` is its name before), retired, or taken up again."""

    __tablename__ = "model_event"
    __table_args__ = (CheckConstraint("kind IN ('renamed', 'retired', 'resumed')", name="kind"),)

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    kind: Mapped[str]
    was: Mapped[str | None]
    reason: Mapped[Words]
    actor: Mapped[Words]
    at: Mapped[datetime]


class Run(Base):
    """One run of a flow: what it decided and why. Open until `finished_at` is set.

    While it is open its process moves `alive_until` on, every few seconds: a killed run is known by its old lease.
    """

    __tablename__ = "run"
    __table_args__ = (Index(None, "model_id", "work_key"),)

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    flow_run_id: Mapped[str | None]
    work_key: Mapped[Hash | None]
    trigger: Mapped[Words]
    decision: Mapped[str | None]
    reason: Mapped[Words | None]
    outcome: Mapped[str | None]
    started_at: Mapped[datetime]
    alive_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    timings: Mapped[dict[str, Any]]


class Artifact(Base):
    """One stored file: what it is by content digest, its bytes by SHA-256, its place under the artifact root."""

    __tablename__ = "artifact"

    digest: Mapped[Hash] = mapped_column(primary_key=True)
    kind: Mapped[str]
    uri: Mapped[str]
    sha256: Mapped[Hash]
    bytes: Mapped[Count]
    created_at: Mapped[datetime]


class Version(Base):
    """One trained model, `head(base(x))`, what it descends from, and how its training went, in a sentence.

    A refit names its proof: the version that was judged, and that learned the same way from older rows alone.
    """

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("model_id", "number"),)

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    number: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("version.id"), index=True)
    refit_of_id: Mapped[int | None] = mapped_column(ForeignKey("version.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    base_digest: Mapped[Hash] = mapped_column(ForeignKey("artifact.digest"), index=True)
    head_digest: Mapped[Hash] = mapped_column(ForeignKey("artifact.digest"), index=True)
    plan: Mapped[dict[str, Any]]
    environment: Mapped[dict[str, Any]]
    reason: Mapped[Words | None]
    created_at: Mapped[datetime]


class VersionPartition(Base):
    """Lineage: which rows a version learned from, as new ones (trained) or against forgetting (replayed).

    Of a partition that it learned partly, it knows the older rows, and the newer ones proved it.
    """

    __tablename__ = "version_partition"
    __table_args__ = (CheckConstraint("role IN ('trained', 'replayed', 'partly')", name="role"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    partition_id: Mapped[int] = mapped_column(ForeignKey(Partition.id), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class VersionMetric(Base):
    """A figure of one version; a row each, so that versions can be ordered by it."""

    __tablename__ = "version_metric"
    __table_args__ = (Index(None, "name", "value"),)

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Measured]


class EpochMetric(Base):
    """One point of a version's learning curves."""

    __tablename__ = "epoch_metric"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Measured]


class Score(Base):
    """A version's figure on a partition before anything trained on it: its live track record."""

    __tablename__ = "score"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    partition_id: Mapped[int] = mapped_column(ForeignKey(Partition.id), primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Measured]
    rows: Mapped[Count]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    at: Mapped[datetime]


class BlockLoss(Base):
    """A version's mean loss on a time block of a partition that it had not learned from; `proving` on its trial."""

    __tablename__ = "block_loss"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    partition_id: Mapped[int] = mapped_column(ForeignKey(Partition.id), primary_key=True)
    block: Mapped[datetime] = mapped_column(primary_key=True)
    rows: Mapped[Count]
    loss: Mapped[Measured]
    proving: Mapped[bool]
    rare: Mapped[Count | None]
    expected: Mapped[float | None] = mapped_column(Bound)


class DriftCheck(Base):
    """Whether arrived rows had drifted away from what the champion learned from."""

    __tablename__ = "drift_check"

    id: Mapped[Key]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    champion_id: Mapped[int] = mapped_column(ForeignKey("version.id"))
    drifted: Mapped[bool]
    broken: Mapped[bool] = mapped_column(default=False)
    share: Mapped[Measured]
    reason: Mapped[Words]
    report_uri: Mapped[str | None]
    reference_name: Mapped[str] = mapped_column(default="champion")
    at: Mapped[datetime]


class DriftWindow(Base):
    """The rows of one side of a drift check."""

    __tablename__ = "drift_window"
    __table_args__ = (CheckConstraint("side IN ('reference', 'current')", name="side"),)

    check_id: Mapped[int] = mapped_column(ForeignKey("drift_check.id"), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[Count]
    blocks: Mapped[int]
    time_from: Mapped[datetime]
    time_to: Mapped[datetime]


class DriftColumn(Base):
    """One measure of a column; in SQL the column is `column_name`, since `column` is a reserved word there."""

    __tablename__ = "drift_column"

    check_id: Mapped[int] = mapped_column(ForeignKey("drift_check.id"), primary_key=True)
    column: Mapped[str] = mapped_column("column_name", key="column", primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    score: Mapped[Measured]
    threshold: Mapped[Measured]
    drifted: Mapped[bool]
    broken: Mapped[bool] = mapped_column(default=False)
    importance: Mapped[float | None] = mapped_column(Bound)
    remark: Mapped[Words | None]


class PerformanceCheck(Base):
    """How the champion fared on what arrived: in control, or broken since when."""

    __tablename__ = "performance_check"

    id: Mapped[Key]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    champion_id: Mapped[int] = mapped_column(ForeignKey("version.id"))
    state: Mapped[str]
    since: Mapped[datetime | None]
    reason: Mapped[Words]
    blocks: Mapped[int]
    loss: Mapped[Measured]
    limit: Mapped[float | None] = mapped_column("loss_limit", Bound, key="limit")
    at: Mapped[datetime]


class Estimate(Base):
    """The figure that a version was estimated to reach on a partition before its labels were there."""

    __tablename__ = "estimate"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    partition_id: Mapped[int] = mapped_column(ForeignKey(Partition.id), primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[Count]
    value: Mapped[Measured]
    low: Mapped[float | None] = mapped_column(Bound)
    high: Mapped[float | None] = mapped_column(Bound)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    at: Mapped[datetime]


class Evaluation(Base):
    """The gate's verdict on a challenger; without a champion it was judged against a constant.

    What it announced is a relative change of the mean loss, for what comes next.
    """

    __tablename__ = "evaluation"

    id: Mapped[Key]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    challenger_id: Mapped[int] = mapped_column(ForeignKey("version.id"), index=True)
    champion_id: Mapped[int | None] = mapped_column(ForeignKey("version.id"))
    passed: Mapped[bool]
    reason: Mapped[Words]
    announced: Mapped[float | None] = mapped_column(Bound)
    announced_low: Mapped[float | None] = mapped_column(Bound)
    announced_high: Mapped[float | None] = mapped_column(Bound)
    blocked: Mapped[bool] = mapped_column(default=False)
    prove_from: Mapped[datetime | None]
    at: Mapped[datetime]


class EvaluationRule(Base):
    """What one rule of the gate said of a challenger, in the order in which the gate says it."""

    __tablename__ = "evaluation_rule"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    passed: Mapped[bool]
    reason: Mapped[Words]


class EvaluationMetric(Base):
    """Champion and challenger side by side on one dataset and slice; at position 0 the figure that decided.

    Where the challenger was compared with another version than the champion, `against_id` says with which.
    """

    __tablename__ = "evaluation_metric"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), primary_key=True)
    dataset: Mapped[str] = mapped_column(primary_key=True)
    slice: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    rows: Mapped[Count]
    champion_value: Mapped[Measured]
    challenger_value: Mapped[Measured]
    delta: Mapped[Measured]
    ci_low: Mapped[float | None] = mapped_column(Bound)
    ci_high: Mapped[float | None] = mapped_column(Bound)
    verdict: Mapped[str]
    blocks: Mapped[int | None]
    effective_rows: Mapped[float | None] = mapped_column(Bound)
    against_id: Mapped[int | None] = mapped_column(ForeignKey("version.id"))


class EvaluationCurve(Base):
    """A curve of champion or challenger on the rows that decided, as the page about the evaluation draws it."""

    __tablename__ = "evaluation_curve"
    __table_args__ = (CheckConstraint("side IN ('champion', 'challenger')", name="side"),)

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[Count]
    points: Mapped[dict[str, Any]]


class Promotion(Base):
    """A version took the champion's place. The highest sequence is the champion; the constraint is the lock."""

    __tablename__ = "promotion"
    __table_args__ = (
        UniqueConstraint("model_id", "sequence"),
        CheckConstraint("kind IN ('bootstrap', 'promote', 'rollback')", name="kind"),
        CheckConstraint("sequence > 0", name="sequence"),
    )

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    sequence: Mapped[int]
    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), index=True)
    kind: Mapped[str]
    evaluation_id: Mapped[int | None] = mapped_column(ForeignKey("evaluation.id"))
    actor: Mapped[Words]
    reason: Mapped[Words]
    at: Mapped[datetime]
