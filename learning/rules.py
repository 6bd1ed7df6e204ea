"""A user's own rules for a challenger: a figure, and the bound that it has to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from errors import InvalidSpec
from learning.metrics import Figure, Metric, called, figure, weighs
from learning.objectives import Objective

FLIPS, LATENCY = "flips", "latency"
OF_BOTH = FLIPS, LATENCY  # figures of a challenger beside its champion


@dataclass(frozen=True)
class Rule:
    """What a challenger has to keep beside the gate's rule: on the rows that prove it, or it is refused.

    Args:
        figure: a name, as "recall@0.01", a Cost or a function, as in `Gate(metric=...)`. Or "flips": the share of rows
            that the champion has right and the challenger gets wrong (negative flips: Yan et al., "Positive-congruent
            training", 2021). Or "latency": the challenger's time for a prediction by the champion's.
        at_least: smallest value allowed.
        at_most: largest value allowed.

    Example:
        >>> Rule("recall@0.01", at_least=0.4).name
        'recall@0.01 at least 0.4'
        >>> Rule("flips", at_most=0.02).keeps(0.03)
        False
    """

    figure: Metric
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        """Refuse a rule without a bound, or whose bounds nothing keeps; raises InvalidSpec."""
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if not bounds or not all(math.isfinite(bound) for bound in bounds) or bounds != sorted(bounds):
            fix = 'write Rule("recall@0.01", at_least=0.4) or Rule("flips", at_most=0.02)'
            raise InvalidSpec(repr(self), "it has no bound that a figure could keep", fix)

    @property
    def name(self) -> str:
        """The rule in words, as the registry has it."""
        bounds = {"at least": self.at_least, "at most": self.at_most}
        return f"{called(self.figure)} " + ", ".join(
            f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None
        )

    def keeps(self, value: float) -> bool:
        """Whether a value lies within the bounds; NaN does not."""
        low = -math.inf if self.at_least is None else self.at_least
        return low <= value <= (math.inf if self.at_most is None else self.at_most)

    def of(self, objective: Objective) -> Figure:
        """The figure that is bounded; raises InvalidSpec, also of a figure of both versions."""
        return figure(self.figure, objective)

    def check(self, objective: Objective, *, weighted: bool) -> None:
        """Refuse a figure that there is not, or that does not fit; raises InvalidSpec."""
        if self.figure == FLIPS and objective.class_count is None:
            fix = "leave it out, or bound a figure, as in Rule('rmse', at_most=...)"
            raise InvalidSpec(f"Rule({FLIPS!r})", f"{objective} has no classes that could be right or wrong", fix)
        if self.figure in OF_BOTH:
            return
        try:
            self.of(objective)
        except InvalidSpec as error:
            raise InvalidSpec(error.received, error.why, f"{error.fix}; or flips, or latency") from None
        check_weights(self.figure, weighted=weighted)


def check_weights(metric: Metric, *, weighted: bool) -> None:
    """Refuse a function that cannot weigh rows where rows have weights; raises InvalidSpec."""
    if weighted and not weighs(metric):
        fix = "give it a third argument, `sample_weight`: the weight of each row"
        raise InvalidSpec(f"figure {metric!r} beside Schema.weight", "it cannot weigh rows", fix)
