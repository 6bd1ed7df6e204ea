"""What a user decides about checks and verdicts: when data drifted, when a retrain is worth it, what the gate asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from errors import InvalidSpec
from learning.metrics import Figure, Metric, directed, figure
from learning.objectives import Objective
from learning.plans import Allowed, Checked, Count, Inside, Natural, Span, Strength, check, span
from learning.rules import Rule, check_weights
from learning.source import one_of

ReferenceName = Literal["champion", "previous", "season"]


@dataclass(frozen=True)
class DriftPolicy(Checked):
    """When the arrived rows count as drifted away from what the champion learned from.

    A check says drift when the target or the predictions drifted, or a large enough share of the other columns. That a
    column is broken is told whatever its share.

    Beside these columns, what the champion says of the rows is compared; of a model with tensors or free text, also
    what its base makes of them.

    Args:
        columns: columns compared; by default every input that is no tensor, and the target.
        alpha: chance that a check of undrifted data calls any column drifted, at least 0.001.
        min_effect: smallest distance worth calling drift, however many rows prove it
            (normed Wasserstein for numbers, Jensen-Shannon for categories).
        min_share: smallest share of rows without a value, more or fewer than there were, or with a category never seen
            before, that is worth calling drift.
        share: share of drifted columns from which the whole check says drift; weighed by how much the champion uses
            each, where that is known.
        max_rows: rows sampled from each window.
        reference: what arrived is compared with the rows that the "champion" learned from, with those that arrived just
            before ("previous"), or with those of the same time one "season" before, where there are any.
        season: length of a season, as "52w" or "7d".
        stop_when_broken: end the run before it trains where a column is broken, so far off that no world moves like
            that.
    """

    columns: tuple[str, ...] = ()
    alpha: Annotated[float, Allowed(lambda chance: 0.001 <= chance < 1, "a chance of at least 0.001 and below 1")] = (
        0.05
    )
    min_effect: Strength = 0.1
    min_share: Strength = 0.005
    share: Annotated[float, Allowed(lambda share: 0 < share <= 1, "a share above 0 and at most 1")] = 0.3
    max_rows: Count = 20_000
    reference: Annotated[ReferenceName, one_of("champion", "previous", "season")] = "champion"
    season: Annotated[str, Allowed(re.compile(r"[1-9]\d{0,5}[mhdw]").fullmatch, 'a length of time, as "52w"')] = "52w"
    stop_when_broken: bool = True


Escalation = Literal["recent replay", "thaw", "from scratch"]
ESCALATIONS = ("recent replay", "thaw", "from scratch")
Ladder = Allowed(lambda words: set(words) <= set(ESCALATIONS), f"some of {', '.join(ESCALATIONS)}")

RetrainReason = Literal["rows", "performance", "drift"]
RETRAIN_REASONS = ("rows", "performance", "drift")
Reasons = Allowed(lambda words: set(words) <= set(RETRAIN_REASONS), f"some of {', '.join(RETRAIN_REASONS)}")


@dataclass(frozen=True)
class RetrainPolicy(Checked):
    """When a retrain is worth it, and what is tried when challengers stay stuck.

    Any one of the reasons is enough. Whatever the reason, the pending rows must be enough for the gate to judge a
    challenger; what is less waits.

    Args:
        when: "rows": enough of them are pending; "performance": the champion's loss broke its limit, or gives a
            warning, or 1.4 times as many rows are known of a world that turned as when it was last learned; "drift":
            what arrived has drifted.
        every: most time without a retrain, as in "30d": then whatever is pending is learned.
        min_rows: pending labelled rows that are enough for the reason "rows": new ones, after a refused challenger.
        cooldown: least time since the last retrain ended, as in "1d", for every reason.
        escalate: what the next challengers are trained with, one after the other, when several in a row were better
            on what is new and yet refused: "recent replay" of new rows only, "thaw" the base, learn "from scratch".
            With one of the latter two, the last is taken at once where the world turned and the base knows little of
            it as it is now; "from scratch" then begins with new weights or the champion's, as rows held back say.
        on_arrival: let files that land start the retrain deployment, while `evergreen up` runs, beside its schedule.
    """

    when: Annotated[tuple[RetrainReason, ...], Reasons] = ("rows",)
    every: Span = ""
    min_rows: Natural = 500
    cooldown: Span = ""
    escalate: Annotated[tuple[Escalation, ...], Ladder] = ("recent replay",)
    on_arrival: bool = False

    def __post_init__(self) -> None:
        """Refuse a policy that never retrains; raises InvalidSpec."""
        super().__post_init__()
        check("RetrainPolicy.when", self.when, self.when or self.every, 'a reason, or give `every`, as in "30d"')

    @property
    def longest(self) -> timedelta | None:
        """`every` as a time; None for no limit."""
        return span(self.every)

    @property
    def shortest(self) -> timedelta | None:
        """`cooldown` as a time; None for none."""
        return span(self.cooldown)


@dataclass(frozen=True)
class Gate(Checked):
    """What a challenger must show to take the champion's place.

    Args:
        rule: "better": better so far on the proving window, and watched afterwards; "proven": shown better by a test
            that goes on from run to run; "not worse": not shown worse, to follow the world at any price.
        prove_on: share of the pending rows, the newest, that prove a challenger: whole time blocks, at least one. After
            a refused challenger, of the rows that arrived since, if those are enough for a verdict.
        min_gain: least relative reduction of the mean loss that is worth a change of production.
        max_forgetting: largest relative rise of the mean loss accepted on a past era or a slice.
        confidence: of the intervals, and of the tests.
        min_rows: rows below which a dataset is shown and said to prove nothing.
        min_events: the same for events: rows of the rarer outcome of a classification. Where a proving window holds
            fewer, all pending rows judge, in folds: two trainings for each, and one of all rows.
        eras: past eras that the champion's history is divided into.
        slices: columns whose parts are judged by themselves: every category, the hundred most frequent of more, and
            the quarters of a number.
        watch: time blocks after a promotion during which a version that is shown to be worse than its predecessor is
            rolled back; 0 never does. Of a classification, fewer than `min_events` rare rows, that came or were
            expected, show nothing.
        metric: the figure by which "better" and "not worse" decide: a name, as "pr_auc" or "recall@0.01", a Cost, or a
            function of target and prediction. None for the objective's loss, by which eras and slices are judged in any
            case.
        also: what a challenger has to keep besides, as `Rule("recall@0.01", at_least=0.4)`.
        approval: "manual" lets a challenger that passed wait until a person says yes; version 1 takes none.
        approval_within: for how long, as in "2d"; then it is not approved, and the champion stays. "" for ever.
    """

    rule: Annotated[Literal["better", "proven", "not worse"], one_of("better", "proven", "not worse")] = "better"
    prove_on: Inside = 0.25
    min_gain: Annotated[float, Allowed(lambda share: -1 < share < 1, "a share, as in 0.01")] = 0.002
    max_forgetting: Strength = 0.05
    confidence: Annotated[float, Allowed(lambda share: 0 < share < 1, "a share between 0 and 1, as in 0.9")] = 0.9
    min_rows: Count = 50
    min_events: Natural = 20
    eras: Count = 3
    slices: tuple[str, ...] = ()
    watch: Natural = 7
    metric: Metric | None = None
    also: tuple[Rule, ...] = ()
    approval: Annotated[Literal["automatic", "manual"], one_of("automatic", "manual")] = "automatic"
    approval_within: Span = ""

    def __post_init__(self) -> None:
        """Refuse a figure of which nobody knows the better way, and a rule that is there twice; raises InvalidSpec."""
        super().__post_init__()
        object.__setattr__(self, "also", tuple(self.also))
        if self.metric is not None and not directed(self.metric):
            why = "it is not known whether more or less of it is better"
            fix = "let its name end in _score where more is better; in _error, _loss, _deviance or _cost where less is"
            raise InvalidSpec(f"Gate.metric={self.metric!r}", why, fix)
        useless = self.approval_within and self.approval != "manual"
        check("Gate.approval_within", self.approval_within, not useless, '"" where approval="automatic"')
        named = [rule.name for rule in self.also]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise InvalidSpec(f"Gate.also: {twice}", "they are there twice", "name each once")

    @property
    def patience(self) -> timedelta | None:
        """`approval_within` as a time; None for no limit."""
        return span(self.approval_within)

    def decisive(self, objective: Objective) -> Figure | None:
        """The figure that decides on what is new; None where it is the objective's own loss."""
        found = None if self.metric is None else figure(self.metric, objective)
        return None if found and found.name == objective.loss_name else found

    def check_figures(self, objective: Objective, *, weighted: bool) -> None:
        """Refuse figures that there are not, or that do not go with the objective, the weights or the rule.

        Raises:
            InvalidSpec: which, why, and which there are.
        """
        for rule in self.also:
            rule.check(objective, weighted=weighted)
        if self.metric is not None and self.decisive(objective):
            check_weights(self.metric, weighted=weighted)
            if self.rule == "proven":
                why = f"evidence goes on from run to run by {objective.loss_name}, the loss that is kept of each block"
                raise InvalidSpec(
                    f"Gate(rule='proven', metric={self.metric!r})", why, 'write rule="better", or no metric'
                )
