"""What was measured about versions, as it goes into the registry and comes out of it: frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class DriftColumn:
    """One compared column."""

    column: str
    method: str
    score: float
    threshold: float
    drifted: bool


@dataclass(frozen=True)
class NewDriftCheck:
    """What a drift check found."""

    run_id: int | None
    model: str
    champion: int
    drifted: bool
    share: float
    reason: str
    report_uri: str | None
    columns: tuple[DriftColumn, ...]


@dataclass(frozen=True, kw_only=True)
class DriftCheckRecord(NewDriftCheck):
    """What a drift check found, as recorded."""

    id: int
    at: datetime


@dataclass(frozen=True)
class EvaluationMetric:
    """Champion and challenger on one dataset and slice; an interval is given where there is one."""

    dataset: str
    slice: str
    metric: str
    rows: int
    champion_value: float
    challenger_value: float
    delta: float
    ci_low: float | None
    ci_high: float | None
    verdict: str


@dataclass(frozen=True)
class NewEvaluation:
    """The gate's verdict on a challenger; `champion` is None where there was none to beat.

    Of the metrics, the one that decided stands first.
    """

    run_id: int | None
    model: str
    challenger: int
    champion: int | None
    passed: bool
    reason: str
    metrics: tuple[EvaluationMetric, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(NewEvaluation):
    """The gate's verdict on a challenger, as recorded."""

    id: int
    at: datetime


@dataclass(frozen=True)
class NewScores:
    """A version's figures on a partition that it had not learned from."""

    partition: str
    rows: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class ScoreRecord:
    """A version's figure on a partition that it had not learned from."""

    number: int
    partition: str
    time_from: datetime
    rows: int
    metric: str
    value: float
    run_id: int | None
