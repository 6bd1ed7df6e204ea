"""Whether a version answers much slower than the champion, so that services that load it would notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.verdict_records import RuleVerdict
from evaluation.comparison import CANNOT_TELL

if TYPE_CHECKING:
    from learning.rules import Rule

MOST_TIMES = 3.0
MOST_MORE = 1e-3  # seconds a row


def slower(challenger: float, champion: float, rows: int) -> str:
    """How much slower a challenger answers than the champion, in words; "" if it is not, or if nobody would notice.

    It may take up to 3 times as long, and up to a millisecond a row more, however quick the champion is: the machine
    that measures does other things too, and a table's model that takes twice as long still answers at once.

    Args:
        challenger: the seconds that it takes for some rows.
        champion: the seconds that the champion takes for them, on the same machine.
        rows: how many.

    Example:
        >>> slower(0.9, 0.09, rows=60)
        'it takes 15.00 ms a row, 10.0 times as long as the champion (1.50 ms): at most 3 times is allowed'
        >>> slower(0.012, 0.001, rows=60)
        ''
    """
    if challenger <= MOST_TIMES * champion or challenger - champion <= MOST_MORE * rows:
        return ""
    ours, its = 1e3 * challenger / rows, 1e3 * champion / rows
    times = f"{challenger / champion:.1f} times as long as the champion ({its:.2f} ms)"
    return f"it takes {ours:.2f} ms a row, {times}: at most {MOST_TIMES:.0f} times is allowed"


def latency(rule: Rule, seconds: tuple[float, float] | None, rows: int, *, timed: bool) -> RuleVerdict:
    """Whether a challenger keeps a user's own bound on its time for a prediction by the champion's.

    Where both cannot be timed it is told and refuses nobody: waiting for another run would not change that.

    Args:
        rule: has the bound.
        seconds: what the challenger and the champion take for some rows; None where their layers are the same.
        rows: how many.
        timed: whether both could be asked for the same rows.
    """
    if not timed:
        why = "the champion takes other columns, so that both were not timed on the same rows"
        return RuleVerdict(rule.name, passed=True, reason=f"{CANNOT_TELL}: {why}")
    ours, its = seconds or (1.0, 1.0)
    times = ours / its
    measured = f"{1e3 * ours / rows:.2f} ms a row by {1e3 * its / rows:.2f} ms" if seconds else "of the same layers"
    keeps = rule.keeps(times)
    reason = f"{'kept' if keeps else 'broken'}: {times:.3g} times the champion's, {measured}"
    return RuleVerdict(rule.name, passed=keeps, reason=reason)
