"""What was measured, as it goes into the registry and comes out of it: checks, verdicts, losses, promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple


@dataclass(frozen=True)
class DriftColumn:
    """One measure of one compared column.

    Args:
        column: its name.
        method: what was measured: a distance ("wasserstein", "jensenshannon"), "missing share", "unseen share" …
        score: the figure.
        threshold: from which it counts; NaN where it was shown and not judged.
        drifted: whether it does.
        broken: whether it is so far off that no world moves like that: a fault in the data.
        importance: relative rise of the champion's loss when the column is shuffled; None where that is not known.
        remark: what a reader should know of it, such as that it only ever grows; None for nothing.
    """

    column: str
    method: str
    score: float
    threshold: float
    drifted: bool
    broken: bool = False
    importance: float | None = None
    remark: str | None = None


@dataclass(frozen=True)
class Window:
    """The rows of one side of a drift check: how many, in how many time blocks, from when until when."""

    rows: int
    blocks: int
    time_from: datetime
    time_to: datetime


@dataclass(frozen=True)
class NewDriftCheck:
    """What a drift check found.

    Args:
        run_id: the run that asked.
        model: name of the model.
        champion: its champion then.
        drifted: whether enough columns drifted.
        share: the share of them that did.
        reason: why, in a sentence.
        report_uri: where the page about it lies.
        columns: every measure.
        broken: whether a column is broken.
        reference_name: which rows the new ones were compared with: "champion", "previous" or "season".
        reference: these rows; None where it was recorded before they were.
        current: the new ones.
    """

    run_id: int | None
    model: str
    champion: int
    drifted: bool
    share: float
    reason: str
    report_uri: str | None
    columns: tuple[DriftColumn, ...]
    broken: bool = False
    reference_name: str = "champion"
    reference: Window | None = None
    current: Window | None = None


@dataclass(frozen=True, kw_only=True)
class DriftCheckRecord(NewDriftCheck):
    """What a drift check found, as recorded."""

    id: int
    at: datetime


PerformanceState = Literal["cannot tell", "in control", "warning", "broken"]


@dataclass(frozen=True)
class NewPerformanceCheck:
    """How the champion fares on what arrives, by its mean losses of time blocks.

    Args:
        run_id: the run that asked.
        model: name of the model.
        champion: number of the champion.
        state: "in control", "warning", "broken", or "cannot tell" while there are too few blocks.
        since: start of the block with which the warning or the break began.
        reason: why, in a sentence.
        blocks: on how many blocks it rests.
        loss: the mean loss on the newest arrival.
        limit: the loss above which a block is a break; None while that cannot be told.
    """

    run_id: int | None
    model: str
    champion: int
    state: PerformanceState
    since: datetime | None
    reason: str
    blocks: int
    loss: float
    limit: float | None


@dataclass(frozen=True, kw_only=True)
class PerformanceCheckRecord(NewPerformanceCheck):
    """How the champion fared, as recorded."""

    id: int
    at: datetime


@dataclass(frozen=True)
class NewEstimate:
    """The figure that a version is estimated to reach on a partition, from what it predicts, before labels are there.

    Args:
        partition: digest of the partition.
        metric: name of the figure.
        rows: unlabelled and labelled ones that it was estimated from.
        value: the estimate.
        low: lower end of its interval; None where none can be given.
        high: upper end.
    """

    partition: str
    metric: str
    rows: int
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class EstimateRecord(NewEstimate):
    """An estimate as recorded, beside what came: `truth` is None until the rows' labels are there and scored."""

    number: int
    time_from: datetime
    truth: float | None
    run_id: int | None


@dataclass(frozen=True)
class EvaluationMetric:
    """Champion and challenger on one dataset and slice; an interval is given where there is one.

    `blocks` is the number of time blocks (or entities) that count as observations, `effective_rows` how many
    independent rows would say as much; `against` the version it was compared with, where that is not the champion.
    """

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
    blocks: int | None = None
    effective_rows: float | None = None
    against: int | None = None


CALIBRATION, PRECISION, RESIDUALS, QUANTILES = "calibration", "precision", "residuals", "quantiles"


@dataclass(frozen=True)
class EvaluationCurve:
    """A curve of one of the two versions on the rows that decided.

    Args:
        name: CALIBRATION, PRECISION (at each recall), RESIDUALS or QUANTILES; of one of several outputs as
            "late/residuals".
        side: "champion" or "challenger".
        rows: on how many it rests.
        points: coordinate to its values, all of one length.
    """

    name: str
    side: str
    rows: int
    points: dict[str, list[float]]


@dataclass(frozen=True)
class RuleVerdict:
    """What one rule of the gate says of a challenger, whether or not it is the one that decides."""

    rule: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class BlockLoss:
    """A version's mean loss on the labelled rows of one time block of a partition, which it had not learned from.

    Of these `rare` are of another class than the usual one, and by its chances it `expected` so many. None of
    numbers, and where that was not written down yet.
    """

    partition: str
    block: datetime
    rows: int
    loss: float
    rare: int | None = None
    expected: float | None = None


@dataclass(frozen=True, kw_only=True)
class BlockLossRecord(BlockLoss):
    """A version's mean loss on a time block, as recorded; `proving` where it was a challenger on trial."""

    number: int
    proving: bool


class Rare(NamedTuple):
    """Rare rows of some time blocks: how many came, and how many the version expected."""

    came: int
    expected: float

    @property
    def evidence(self) -> float:
        """What they are worth: whoever expects far too many is shown to be wrong by those that do not come."""
        return max(self.came, self.expected)


def rare_of(parts: Sequence[BlockLoss]) -> Rare | None:
    """The rare rows of some parts of blocks; None where they are not known of each."""
    known = [(one.rare, one.expected) for one in parts if one.rare is not None and one.expected is not None]
    if len(known) < len(parts):
        return None
    return Rare(sum(came for came, _ in known), sum(expected for _, expected in known))


@dataclass(frozen=True)
class PromiseRecord:
    """What the gate announced of a promotion, and what came; both are relative changes of the mean loss.

    Args:
        sequence: the promotion's.
        number: the version that was promoted.
        predecessor: the one that it replaced.
        at: when.
        until: when the next promotion or rollback came; None while it is the champion.
        announced: the change that was announced, None where it was promoted before changes were.
        low: lower end of the announced interval.
        high: upper end.
        rows: labelled rows that arrived since and both have been scored on.
        blocks: in how many time blocks.
        came: the change on those rows; None while there are none.
    """

    sequence: int
    number: int
    predecessor: int
    at: datetime
    until: datetime | None
    announced: float | None
    low: float | None
    high: float | None
    rows: int
    blocks: int
    came: float | None

    @property
    def held(self) -> bool | None:
        """Whether what came lies in the interval; None while that is not known."""
        if self.came is None or self.low is None or self.high is None:
            return None
        return self.low <= self.came <= self.high


@dataclass(frozen=True)
class NewEvaluation:
    """The gate's verdict on a challenger; `champion` is None where there was none to beat.

    Of the metrics, the one that decided stands first.

    Args:
        run_id: the run that asked.
        model: name of the model.
        challenger: the version on trial.
        champion: the version in production.
        passed: whether it may take its place.
        reason: why, in a sentence.
        metrics: every figure.
        rules: what each rule of the gate says.
        announced: relative change of the mean loss that is promised for what comes next.
        announced_low: lower end of its interval.
        announced_high: upper end.
        blocked: whether it was better on what is new and was refused for what it does elsewhere.
        prove_from: start of the proving window; None where held-out entities were the proof.
    """

    run_id: int | None
    model: str
    challenger: int
    champion: int | None
    passed: bool
    reason: str
    metrics: tuple[EvaluationMetric, ...]
    rules: tuple[RuleVerdict, ...] = ()
    announced: float | None = None
    announced_low: float | None = None
    announced_high: float | None = None
    blocked: bool = False
    prove_from: datetime | None = None


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
