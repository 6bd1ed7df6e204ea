"""Versions, promotions and runs as they go into the registry and come out of it: frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import shorten
from typing import Any, Literal, NamedTuple

from evergreen_client.artifacts import StoredArtifact
from evergreen_client.shown import said

PromotionKind = Literal["bootstrap", "promote", "rollback"]
Role = Literal["trained", "replayed", "partly"]

NEEDS_ATTENTION = "needs attention"
STUCK = "stuck"
OVERTAKEN = "overtaken"  # somebody else promoted meanwhile, so nothing was judged
AWAITING = "awaiting approval"  # the gate let a version pass, and a person has to say yes
NOT_APPROVED = "not approved"
DRY_RUN = "dry run"  # outcome and decision of a run that happened on a copy of the registry
INTERRUPTED = "interrupted"  # a run whose process was told to stop
LOST = "lost"  # a run whose process was killed, or cut off, as another one found
CUT_SHORT = "failed", INTERRUPTED, LOST  # what came to nothing, whatever else was seen
WATCH = "watch"  # decision of a run that looked at what arrived, and neither trained nor promoted
CAME_TO = (  # what a reason may begin with
    "promoted",
    "rejected",
    OVERTAKEN,
    STUCK,
    AWAITING,
    NOT_APPROVED,
    "learned",
    "waiting",
    "due",
    "no new data",
    "retired",
)
SENTENCES = 3  # of those that need attention, how many a reason repeats,
SENTENCE = 300  # and how many characters of each: the run's log has them whole


@dataclass(frozen=True)
class RunRecord:
    """One run of a flow; `finished_at` is None while it runs, and while nobody has found that it was killed."""

    id: int
    model: str
    trigger: str
    flow_run_id: str | None
    started_at: datetime
    finished_at: datetime | None
    work_key: str | None
    decision: str | None
    reason: str | None
    outcome: str | None
    timings: dict[str, float]
    alive_until: datetime | None = None


@dataclass(frozen=True)
class RunEnding:
    """How a run ended: `outcome` and `decision` in a word, `reason` in a sentence."""

    outcome: str
    decision: str
    reason: str

    def __post_init__(self) -> None:
        """Make the reason fit to be seen: Prefect's states and pages show it too."""
        object.__setattr__(self, "reason", said(self.reason))

    def with_attention(self, sentences: Sequence[str]) -> RunEnding:
        """The same ending, if there is nothing that a person should look at; else one that needs attention.

        What it came to is then the beginning of its reason. A failed, interrupted or lost run stays what it is.

        Example:
            >>> RunEnding("rejected", "retrain", "no better").with_attention(["a.csv: it is empty"]).reason
            'rejected: no better. Needs attention (1): a.csv: it is empty'
        """
        if not sentences or self.outcome in CUT_SHORT:
            return self
        came_to = self.reason if self.reason.startswith(self.outcome) else f"{self.outcome}: {self.reason}"
        shown = [shorten(sentence, SENTENCE, placeholder=" …") for sentence in sentences[:SENTENCES]]
        shown += [f"and {len(sentences) - SENTENCES:,} more"] * (len(sentences) > SENTENCES)
        reason = f"{came_to}. Needs attention ({len(sentences):,}): {'; '.join(shown)}"
        return RunEnding(NEEDS_ATTENTION, self.decision, reason)


def came_to(run: RunRecord) -> str:
    """What a run came to in a word, also where it ended as one that needs attention: "" while it is open."""
    if run.outcome != NEEDS_ATTENTION:
        return run.outcome or ""
    return next((word for word in CAME_TO if str(run.reason).startswith(word)), "")


@dataclass(frozen=True)
class EpochMetric:
    """One point of a learning curve."""

    stage: str
    epoch: int
    name: str
    value: float


@dataclass(frozen=True)
class NewVersion:
    """A trained version whose files are stored already.

    Args:
        model: name of the model.
        run_id: the run that trained it.
        parent: number of the version it was fine-tuned from; None for the first.
        base: the stored base.
        head: the stored head.
        plan: how it was trained.
        environment: what it was trained with.
        reason: how the training went, in a sentence.
        trained: digests of the partitions it learned from.
        replayed: digests of the partitions it was reminded of.
        partly: digests of the partitions whose older rows it learned from, while the newer ones prove it: to whoever
            promotes it they are still pending.
        refit_of: number of the version that was proven, where this one is its refit on everything pending.
        metrics: figures that describe the version by itself.
        epochs: learning curves.
    """

    model: str
    run_id: int | None
    parent: int | None
    base: StoredArtifact
    head: StoredArtifact
    plan: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    trained: tuple[str, ...] = ()
    replayed: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()
    refit_of: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: tuple[EpochMetric, ...] = ()


@dataclass(frozen=True)
class VersionRecord:
    """One trained version; `reason` is None where it was registered before reasons were kept."""

    model: str
    number: int
    parent: int | None
    run_id: int | None
    base: StoredArtifact
    head: StoredArtifact
    plan: dict[str, Any]
    environment: dict[str, Any]
    reason: str | None
    metrics: dict[str, float]
    created_at: datetime
    refit_of: int | None = None


class VersionSummary(NamedTuple):
    """One line in the list of a model's versions; a tuple, since thousands of frozen dataclasses take their time.

    Args:
        number: the version.
        parent: the version it was fine-tuned from.
        refit_of: the proof that was judged in its place, if it is a refit.
        created_at: when it was registered.
        champion: whether it is the champion now.
        tainted: whether it, or a version it descends from, learned from a recalled partition.
        passed: the gate's newest verdict; None if it was not judged.
        reason: the gate's sentence.
        against: the champion it was judged against.
        metric: the metric that the list is ordered by, else the one that decided; None if it was not judged.
        value: the version's value of that metric; NaN if it has none.
        delta: relative change of the loss on the rows that decided, as the gate measured it.
        base: digest of its base.
        head: digest of its head.
    """

    number: int
    parent: int | None
    refit_of: int | None
    created_at: datetime
    champion: bool
    tainted: bool
    passed: bool | None
    reason: str | None
    against: int | None
    metric: str | None
    value: float
    delta: float
    base: str
    head: str


@dataclass(frozen=True)
class PromotionRecord:
    """Version `number` took the champion's place."""

    model: str
    sequence: int
    number: int
    kind: PromotionKind
    evaluation_id: int | None
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class VersionDiff:
    """Two versions side by side: what each has that the other has not.

    Args:
        a: one version.
        b: the other.
        same_base: whether both stand on the same base.
        same_head: whether they are one and the same head.
        ancestor: their newest common ancestor.
        plan: settings that differ, dotted name to (value in a, value in b).
        environment: libraries that differ.
        metrics: metric to (value in a, value in b); NaN where a version has none.
        only_a: digests of partitions that only a learned from, its ancestors included.
        only_b: digests of partitions that only b learned from.
    """

    a: VersionRecord
    b: VersionRecord
    same_base: bool
    same_head: bool
    ancestor: int | None
    plan: dict[str, tuple[Any, Any]]
    environment: dict[str, tuple[Any, Any]]
    metrics: dict[str, tuple[float, float]]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
