"""How a run ends: what its reason repeats of all that needs attention."""

from __future__ import annotations

from db.records import RunEnding


def test_a_reason_stays_short_however_much_needs_attention() -> None:
    """How many there are, the first three sentences, and no wall of words; the decision is what it was."""
    ending = RunEnding("waiting", "wait", "5 labelled rows are pending").with_attention(["word " * 1_000] * 1_200)
    assert (ending.outcome, ending.decision) == ("needs attention", "wait")
    assert ending.reason.startswith("waiting: 5 labelled rows are pending. Needs attention (1,200): word word")
    assert ending.reason.endswith(" …; and 1,197 more")
    assert len(ending.reason) < 1_100


def test_a_run_that_saw_nothing_strange_or_failed_ends_as_it_did() -> None:
    """Without a sentence there is no attention to ask for, and failed says more."""
    promoted, failed = RunEnding("promoted", "retrain", "better"), RunEnding("failed", "none", "disk full")
    assert promoted.with_attention([]) == promoted
    assert failed.with_attention(["a.csv: it is empty"]) == failed
