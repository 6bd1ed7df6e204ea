"""How much the losses of a dataset say, and the word that they come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.comparison import NEWEST, PROVING, Losses, compare, constant_loss, events
from learning.objectives import Binary, Multiclass, Objective, Regression
from learning.spec import Gate

ERA = "2013-01-01 to 2013-02-28"
GATE = Gate()


def losses(before: float, change: float, dataset: str = ERA, constant: float = 0.69, rows: int = 1000) -> Losses:
    """The losses of independent rows, and those of a challenger that are all higher by about so much."""
    noise = np.random.default_rng(0).normal(0, 0.1, rows)
    after = np.full(rows, before) + change * (1 + noise)
    return Losses(dataset, "", np.ones(rows, bool), np.full(rows, before), after, {}, rows // 2, constant)


@pytest.mark.parametrize(
    ("objective", "target", "wanted"),
    [
        (Binary(), [0, 0, 0, 1], 1),
        (Binary(), [1, 1, 1, 0], 1),
        (Binary(), [0, 0], 0),
        (Multiclass(3), [2, 2, 0, 1, 2], 2),
        (Regression(), [0.5, 0.5, 7.0], 3),
        (Binary(), [], 0),
    ],
)
def test_events_are_rows_of_the_rarer_outcomes(objective: Objective, target: list[float], wanted: int) -> None:
    """Of numbers every row is one."""
    assert events(objective, np.array(target, float)) == wanted


def test_the_constant_is_the_best_one_of_these_rows() -> None:
    """Half of them ones: the entropy of a coin."""
    assert constant_loss(Binary(), np.array([0.0, 1.0])) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("rows", "rare", "sentence"),
    [
        (50, 25, ""),
        (49, 24, "49 of the 50 labelled rows that a verdict takes"),
        (5000, 19, "19 of the 20 rows of the rarer outcome that a verdict takes"),
    ],
)
def test_what_is_lacking_is_said(rows: int, rare: int, sentence: str) -> None:
    """Rows or events, what there is and what it takes."""
    assert replace(losses(0.5, 0.0, rows=rows), events=rare).lacking(GATE) == sentence


def test_evidence_that_is_lacking_gives_no_word_and_no_interval() -> None:
    """The point is shown; an interval of a handful of events would be false precision."""
    found = compare(replace(losses(0.5, 0.5), events=3), "log_loss", GATE, 0.9)
    assert found.figure.verdict == "cannot tell"
    assert found.figure.delta == pytest.approx(1.0, abs=0.02)
    assert found.interval is None
    assert (found.figure.ci_low, found.figure.blocks, found.figure.effective_rows) == (None, None, None)


@pytest.mark.parametrize(
    ("before", "change", "word"),
    [
        (0.5, 0.02, "kept"),  # 4 %, within the margin
        (0.5, 0.04, "forgotten"),
        (0.0001, 0.00005, "kept"),  # both all but perfect
        (0.0001, 0.02, "forgotten"),
        (0.0, 0.001, "kept"),
        (0.0, 0.02, "forgotten"),
    ],
)
def test_forgetting_is_measured_relatively_and_absolutely_together(before: float, change: float, word: str) -> None:
    """Half as bad again is nothing where both are a thousand times better than a constant."""
    assert compare(losses(before, change), "log_loss", GATE, 0.9).figure.verdict == word


def test_harm_that_is_not_shown_is_none() -> None:
    """Twice the margin on average, in days so unlike that it may be chance."""
    day = np.repeat(np.arange(4), 250)
    change = np.array([0.3, -0.2, 0.2, -0.1])[day]
    unlike = replace(losses(0.5, 0.0), after=0.5 + change, clusters={"blocks": day})
    found = compare(unlike, "log_loss", GATE, 0.9)
    assert found.figure.delta == pytest.approx(0.1)
    assert found.figure.verdict == "kept"
    assert compare(replace(unlike, clusters={}), "log_loss", GATE, 0.9).figure.verdict == "forgotten"


def test_a_loss_falls_by_all_of_it_at_most() -> None:
    """Of few unlike days chance alone would reach further; a loss below 0 there is none of."""
    day = np.repeat(np.arange(3), 10)
    unlike = replace(losses(0.5, 0.0, PROVING, rows=30), after=np.array([0.01, 0.2, 0.01])[day])
    found = compare(replace(unlike, clusters={"blocks": day}, events=30), "log_loss", Gate(min_rows=1), 0.9)
    assert found.interval is not None
    assert found.figure.ci_low == -1.0
    assert found.figure.ci_high == pytest.approx(found.interval.mean + 2.92 * found.interval.error, rel=1e-3)
    assert "between -100.0% and" in found.change


@pytest.mark.parametrize("dataset", [PROVING, NEWEST])
@pytest.mark.parametrize(("change", "word"), [(-0.1, "better"), (-0.001, "same"), (0.0, "same"), (0.1, "worse")])
def test_what_is_new_is_better_the_same_or_worse(dataset: str, change: float, word: str) -> None:
    """A gain below the least that is worth a change counts as none."""
    assert compare(losses(0.5, change, dataset), "log_loss", GATE, 0.9).figure.verdict == word


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        ({}, ", 1,000 rows"),
        ({"blocks": np.arange(1000) % 7}, ", 7 blocks"),
        ({"blocks": np.arange(1000) % 30, "entities": np.arange(1000) % 11}, ", 11 entities"),
        ({"blocks": np.zeros(1000)}, "%, without an interval: 1 block"),
        ({"blocks": np.arange(1000), "entities": np.zeros(1000)}, "%, without an interval: 1 entity"),
    ],
)
def test_a_change_says_what_it_stands_on(names: dict[str, np.ndarray], ends: str) -> None:
    """Blocks, entities or rows, whichever are the fewest."""
    assert compare(replace(losses(0.5, 0.1), clusters=names), "log_loss", GATE, 0.9).change.endswith(ends)
