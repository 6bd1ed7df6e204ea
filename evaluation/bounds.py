"""A user's own rules: whether the challenger keeps each bound, on the rows that are to prove it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import RuleVerdict
from evaluation.comparison import CANNOT_TELL, Compared
from evaluation.decisive import filled
from evaluation.paired import Paired
from evergreen_client.shown import number

if TYPE_CHECKING:
    from learning.objectives import Objective
    from learning.rules import Rule
    from learning.spec import Gate

Floats = NDArray[np.floating[Any]]

LATENCY = "latency"  # is measured later, of the version that is to be promoted
FLIPS = "flips"


def kept(
    paired: Paired, window: Compared | None, objective: Objective, gate: Gate, lacking: str
) -> Iterator[RuleVerdict]:
    """What each rule of the user's says; latency is none of the gate's.

    The figure itself decides, as with "better": an interval that had to lie within the bound would refuse most on the
    few days that a window has. Where there is too little evidence, or no value, it cannot be told, which passes nobody.

    Args:
        paired: the rows.
        window: the comparison on what is new.
        objective: says what is right.
        gate: has the rules.
        lacking: what there is too little of for any verdict, in words.
    """
    for rule in gate.also:
        if rule.figure == LATENCY:
            continue
        if lacking or window is None:
            yield RuleVerdict(rule.name, passed=False, reason=f"{CANNOT_TELL}: {lacking}")
        else:
            yield bounded(rule, *values(rule, paired, window, objective))


def values(rule: Rule, paired: Paired, window: Compared, objective: Objective) -> tuple[float, float | None]:
    """The challenger's value of a rule's figure, and the champion's; of flips there is but one."""
    rows = window.losses.rows
    target, weight = paired.target[rows], None if paired.weight is None else paired.weight[rows]
    before, after = (
        filled(objective, target, said[rows]) for said in (paired.champion_prediction, paired.challenger_prediction)
    )
    if rule.figure == FLIPS:
        return float(np.average(right(target, before) & ~right(target, after), weights=weight)), None
    figure = rule.of(objective)
    before, after = paired.decided(rule.figure, before, after)
    return figure.value(target, after, weight), figure.value(target, before, weight)


def right(target: Floats, prediction: Floats) -> NDArray[np.bool_]:
    """Which rows are decided right: the likeliest class, and of one chance the event above one half."""
    outputs = prediction.reshape(len(target), -1)
    classes = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0.5
    return np.asarray(classes == target)


def bounded(rule: Rule, value: float, beside: float | None = None) -> RuleVerdict:
    """Whether a value keeps a rule's bounds, with both in the sentence."""
    if math.isnan(value):
        return RuleVerdict(rule.name, passed=False, reason=f"{CANNOT_TELL}: it has no value on the rows that are new")
    keeps = rule.keeps(value)
    champion = "" if beside is None else f" (champion {number(beside)})"
    return RuleVerdict(rule.name, keeps, f"{'kept' if keeps else 'broken'}: {number(value)}{champion}")
