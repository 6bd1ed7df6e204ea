"""The gate's three rules: what each says of a challenger on the rows that are to prove it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np

from db.verdict_records import RuleVerdict
from evaluation.comparison import CANNOT_TELL, PROVING, Compared, Losses
from evaluation.sequential import Look, proven
from evergreen_client.shown import number

if TYPE_CHECKING:
    from learning.spec import Gate

SQUARED = "squared_error"
RULES = "better", "proven", "not worse"


def verdicts(
    window: Compared | None, looks: Sequence[Look], gate: Gate, decisive: Compared | None = None
) -> tuple[RuleVerdict, ...]:
    """What each rule says, whichever of them decides.

    * "better": the mean gains more than min_gain, and is not shown worse. A block or two prove nothing, so it says
      "so far": whoever is promoted by it is watched.
    * "proven": that, and a test that goes on from run to run shows the line of challengers better; where held-out
      entities are the proof, the whole interval gains more than min_gain.
    * "not worse": it is not shown worse.

    Args:
        window: the comparison by the loss.
        looks: the blocks on which earlier challengers were tried.
        gate: has the least gain and the fewest rows.
        decisive: the comparison by the gate's own figure, where it has one: "better" and "not worse" are of that, and
            "proven" of the loss, whose evidence goes on from run to run. Where the loss is shown worse, none passes.
    """
    short = lacking(window, gate)
    if short or window is None:
        return tuple(RuleVerdict(rule, passed=False, reason=f"{CANNOT_TELL}: {short}") for rule in RULES)
    better, not_worse = _better(window, gate), _not_worse(window)
    proof = _proven(window, gained(window), looks, gate) if better.passed else replace(better, rule="proven")
    if decisive:
        better, not_worse = (_agreed(rule, window) for rule in (_better(decisive, gate), _not_worse(decisive)))
    return better, proof, not_worse


def lacking(window: Compared | None, gate: Gate) -> str:
    """What there is too little of for any rule; a single new block is enough for the point, a single patient is not."""
    if window is None:
        return "no labelled row is new"
    alone = window.losses.dataset != PROVING and window.interval is None
    return window.losses.lacking(gate) or ("all labelled rows that are new are of one entity" if alone else "")


def _better(window: Compared, gate: Gate) -> RuleVerdict:
    """By the point, unless the interval says worse."""
    gain = gained(window)
    if none := _no_value(window):
        return RuleVerdict("better", passed=False, reason=none)
    if window.figure.verdict == "worse":
        return RuleVerdict("better", passed=False, reason=f"shown worse: {gain}")
    if window.gain > gate.min_gain:
        return RuleVerdict("better", passed=True, reason=f"better so far: {gain}")
    takes = gate.min_gain if window.higher else -gate.min_gain
    least = f"; a change takes {takes:+.1%}" if window.gain > 0 else ""
    return RuleVerdict("better", passed=False, reason=f"not shown better: {gain}{least}")


def _not_worse(window: Compared) -> RuleVerdict:
    """By the interval alone."""
    if none := _no_value(window):
        return RuleVerdict("not worse", passed=False, reason=none)
    worse = window.figure.verdict == "worse"
    return RuleVerdict("not worse", not worse, f"{'' if worse else 'not '}shown worse: {gained(window)}")


def _agreed(rule: RuleVerdict, window: Compared) -> RuleVerdict:
    """What a rule says by the gate's own figure, unless the loss is shown worse.

    The watch goes by the loss: it would take the promotion back, and the next run would promote the same again.
    """
    if not rule.passed or window.figure.verdict != "worse":
        return rule
    return replace(rule, passed=False, reason=f"the loss is shown worse: {gained(window)}, although {rule.reason}")


def _no_value(window: Compared) -> str:
    """That the figure has no value on these rows, as a ranking has none of a single class; "" if it has one."""
    found = window.figure
    there = math.isfinite(found.champion_value) and math.isfinite(found.challenger_value)
    return "" if there else f"{CANNOT_TELL}: {found.metric} has no value on the rows that are new"


def _proven(window: Compared, gain: str, looks: Sequence[Look], gate: Gate) -> RuleVerdict:
    """By the blocks of this window and those before; without blocks, by the interval."""
    if window.losses.dataset == PROVING:
        # Where one outcome is rare, a block has to hold as many of it as a verdict takes, or its mean says nothing.
        rows = math.ceil(len(window.losses.before) * gate.min_events / max(window.losses.events, 1))
        enough = replace(gate, min_rows=max(gate.min_rows, rows))
        proof = proven([*looks, *blocks(window.losses)], enough, relative=window.losses.numbers)
        return replace(proof, reason=f"{proof.reason}; {gain}")
    shown = window.figure.verdict == "better"
    return RuleVerdict("proven", shown, f"{'' if shown else 'not '}proven better: {gain}")


def blocks(losses: Losses) -> Iterator[Look]:
    """Both versions' mean losses, block by block, oldest first; a block's start in UTC, as the registry has it."""
    times, place, rows = np.unique(losses.clusters["blocks"], return_inverse=True, return_counts=True)
    weight = 1.0 if losses.weight is None else losses.weight
    mass = rows if losses.weight is None else np.bincount(place, weights=losses.weight)
    before, after = (np.bincount(place, weights=values * weight) / mass for values in (losses.before, losses.after))
    for time, count, old, new in zip(times.tolist(), rows.tolist(), before.tolist(), after.tolist(), strict=True):
        yield Look(time.replace(tzinfo=UTC), count, old, new)


def gained(window: Compared) -> str:
    """The figure before and after, and where; with the change, its interval and what that stands on."""
    losses, figure = window.losses, window.figure
    where = "by held-out entities of the same days, the weaker proof"
    if losses.dataset == PROVING:
        since = losses.clusters["blocks"].min().astype("datetime64[m]").item()
        where = f"on the proving window since {since:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    name, before, after, change = figure.metric, figure.champion_value, figure.challenger_value, window.change
    if name == SQUARED:  # of its root people know the unit
        name, before, after, change = "rmse", math.sqrt(before), math.sqrt(after), f"{name} {change}"
    return f"{name} {number(before)} to {number(after)} {where} ({change})"
