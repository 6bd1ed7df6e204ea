"""How a run ends: what its reason repeats of all that needs attention, and what the log says of an error."""

from __future__ import annotations

import logging

from db.records import RunEnding
from errors import NoChampion
from tasks.run import without_traceback


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


def test_errors_of_ours_are_logged_without_a_traceback() -> None:
    """The one clear line is all there is to say; of any other error the traceback stays."""
    for error, kept in ((NoChampion("a", "b", "c"), False), (ValueError("a"), True)):
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed", (), (type(error), error, None))
        assert without_traceback(record)
        assert bool(record.exc_info) == kept
