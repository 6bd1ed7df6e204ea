"""The three rules, on the same proving windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import numpy as np
import pytest

from evaluation.comparison import NEWEST, PROVING, Compared, Losses, compare
from evaluation.rules import blocks, verdicts
from evaluation.sequential import Look
from learning.spec import Gate

GATE = Gate(min_gain=0.005)
ROWS = 1200
NOT_WORSE = True, "not shown worse"
HOURS = np.datetime64("2013-03-01T06:00", "us") + np.arange(12) * np.timedelta64(6, "h")


def window(change: float, spread: float = 0.001, count: int = 12, dataset: str = PROVING) -> Compared:
    """So many blocks, over which a challenger's loss changes by so much, and from block to block by a spread."""
    place = np.arange(ROWS) % count
    by_block = change + spread * np.resize([1.0, -1.0, 0.5, -0.5], count)
    before = np.random.default_rng(0).gamma(1, 0.5, ROWS)
    known = {"blocks": HOURS[place]} if dataset == PROVING else {}
    found = Losses(dataset, "", np.ones(ROWS, bool), before, before + 0.5 * by_block[place], known, ROWS // 2, 0.69)
    return compare(found, "log_loss", GATE, GATE.confidence)


def said(found: Compared | None, looks: tuple[Look, ...] = (), gate: Gate = GATE) -> dict[str, tuple[bool, str]]:
    """Each rule's answer, and its first words."""
    return {v.rule: (v.passed, v.reason.split(":", maxsplit=1)[0]) for v in verdicts(found, looks, gate)}


@pytest.mark.parametrize(
    ("found", "better", "proven", "not_worse"),
    [
        (window(-0.05), (True, "better so far"), (True, "proven"), NOT_WORSE),
        (window(-0.05, count=2), (True, "better so far"), (False, "not proven yet"), NOT_WORSE),
        (window(-0.01, 0.3), (True, "better so far"), (False, "not proven yet"), NOT_WORSE),
        (window(-0.002), (False, "not shown better"), (False, "not shown better"), NOT_WORSE),
        (window(0.01, 0.3), (False, "not shown better"), (False, "not shown better"), NOT_WORSE),
        (window(0.05), (False, "shown worse"), (False, "shown worse"), (False, "shown worse")),
        (None, (False, "cannot tell"), (False, "cannot tell"), (False, "cannot tell")),
        (window(-0.05, dataset=NEWEST), (True, "better so far"), (True, "proven better"), NOT_WORSE),
        (window(-0.01, 1, dataset=NEWEST), (True, "better so far"), (False, "not proven better"), NOT_WORSE),
    ],
)  # fmt: skip
def test_each_rule_knows_what_it_knows(
    found: Compared, better: tuple[bool, str], proven: tuple[bool, str], not_worse: tuple[bool, str]
) -> None:
    """What is clear in many blocks, what is only so far, what nobody would notice, what is noise and what is worse."""
    assert said(found) == {"better": better, "proven": proven, "not worse": not_worse}


def test_a_gain_that_nobody_would_notice_says_what_a_change_takes() -> None:
    """However surely it is shown: a tenth of a per cent changes no production."""
    found = window(-0.001, 0.0)
    assert (found.figure.ci_high or 0) < 0
    assert verdicts(found, (), GATE)[0].reason.endswith("; a change takes -0.5%")
    assert verdicts(found, (), replace(GATE, min_gain=0.0))[0].passed


def test_too_little_evidence_passes_no_rule() -> None:
    """Not even "not worse"; each says what is lacking."""
    gate = replace(GATE, min_events=ROWS)
    assert {v.passed for v in verdicts(window(-0.05), (), gate)} == {False}
    assert {v.reason for v in verdicts(window(-0.05), (), gate)} == {
        "cannot tell: 600 of the 1,200 rows of the rarer outcome that a verdict takes"
    }


def test_proof_goes_on_from_the_looks_before() -> None:
    """Two blocks are no proof; with those that earlier challengers were judged on they are."""
    found = window(-0.05, count=2)
    looks = tuple(blocks(window(-0.05).losses))[2:]
    assert len(looks) == 10
    assert said(found, looks)["proven"] == (True, "proven")
    assert "over 12 blocks" in verdicts(found, looks, GATE)[1].reason


def test_a_block_that_was_looked_at_before_is_no_new_evidence() -> None:
    """The registry gives times in UTC, and the window has them without a zone: they are the same blocks."""
    found = window(-0.05, count=2)
    recorded = tuple(Look(look.block.astimezone(UTC), look.rows, 1.0, 1.0) for look in blocks(found.losses))
    assert "over 2 blocks" in verdicts(found, recorded, GATE)[1].reason


def test_a_line_that_is_proven_promotes_no_challenger_that_is_worse_itself() -> None:
    """The earlier ones were better; this one is not."""
    looks = tuple(blocks(window(-0.05).losses))
    assert said(window(0.01, 0.3, count=2), looks)["proven"] == (False, "not shown better")


def test_the_blocks_of_a_window_are_its_looks() -> None:
    """In order of time, each with its rows and both mean losses."""
    found = window(-0.05)
    looks = list(blocks(found.losses))
    assert [look.block for look in looks] == [hour.replace(tzinfo=UTC) for hour in HOURS.tolist()]
    assert sum(look.rows for look in looks) == ROWS
    rows = found.losses.clusters["blocks"] == HOURS[3]
    assert looks[3].champion_loss == pytest.approx(found.losses.before[rows].mean())
    assert looks[3].challenger_loss == pytest.approx(found.losses.after[rows].mean())


def test_a_window_that_begins_within_a_day_names_the_hour() -> None:
    """And none where blocks are days."""
    assert "since 2013-03-01 06:00 (" in verdicts(window(-0.05), (), GATE)[0].reason
