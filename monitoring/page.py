"""One page about one model: how its champion fares, what drifted, what arrived, what was decided. Records in, HTML out.

Self-contained: no script, no network, light and dark, and as readable on a phone (monitoring/document.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from monitoring.document import document, facts, shown, table, unbroken
from monitoring.drawings import bars, boxes, strip
from monitoring.drift_map import drift_section
from monitoring.loss_charts import date, estimates_section, loss_section

if TYPE_CHECKING:
    from db.arrival_records import LandedRecord
    from db.records import RunRecord
    from monitoring.overview import Overview

LINES = 20  # of runs; those that ended alike share one
ALARMS = {"failed", "lost", "stuck", "needs attention"}  # outcomes


def monitor_page(seen: Overview, promises: str = "") -> str:
    """The whole page as HTML.

    Args:
        seen: the facts.
        promises: how many promises of the gate held, in a sentence.
    """
    sections = [
        f"<h1>{shown(seen.model)}</h1>\n<p><small>As of {seen.at:%Y-%m-%d %H:%M} UTC</small></p>",
        head(seen, promises),
        loss_section(seen),
        drift_section(seen),
        arrivals_section(seen),
        estimates_section(seen),
        runs_section(seen),
    ]
    return document(f"{seen.model}: how it fares", "\n".join(sections))


def head(seen: Overview, promises: str) -> str:
    """What to know first: one line for each question."""
    champion, run = seen.champion, seen.runs[-1] if seen.runs else None
    since = f"version {champion.number}, since {champion.at:%Y-%m-%d %H:%M} UTC" if champion else "none yet"
    return facts(
        {
            "champion": f"{since} ({champion.kind}: {shown(champion.reason)})" if champion else since,
            "performance": performance(seen),
            "drift": drift(seen),
            "promises": shown(promises) if seen.promises else "",
            "last run": ended(run) if run else "",
        }
    )


def performance(seen: Overview) -> str:
    """The state of the champion, since when, and why."""
    if not seen.performance:
        return "not checked yet"
    check = seen.performance[-1]
    since = f" since {date(check.since)}" if check.since else ""
    state = f"{shown(check.state)}{since}"
    alarming = check.state in {"warning", "broken"}
    return (f'<span class="alarm">{state}</span>' if alarming else state) + f": {shown(check.reason)}"


def drift(seen: Overview) -> str:
    """The newest check in a word or two."""
    if not seen.checks:
        return "not checked yet"
    check = seen.checks[-1]
    broken = len({column.column for column in check.columns if column.broken})
    if check.broken or broken:
        return f'<span class="alarm">{broken} column{"s" * (broken != 1)} broken</span>: {shown(check.reason)}'
    return f"{'drift' if check.drifted else 'no drift'}: {shown(check.reason)}"


def arrivals_section(seen: Overview) -> str:
    """Rows by landed file: how many came, were refused, and were late."""
    files = seen.files
    if not files:
        return "<h2>Arrivals</h2><p>Nothing has arrived.</p>"
    measures: dict[str, tuple[Callable[[LandedRecord], int], str]] = {
        "rows taken": (lambda file: file.taken, "bars"),
        "of them late": (lambda file: file.late, "bars"),
        "rows refused": (lambda file: file.refused, "badbars"),
        "conflicts": (lambda file: file.conflicts, "badbars"),
    }
    rows = []
    for what, (count, kind) in measures.items():
        counts = [count(file) for file in files]
        says = f"{what} by file: {counts[-1]:,} in the newest, {max(counts):,} at most"
        drawn = strip([(kind, boxes(bars(counts)))], says)
        rows.append([what, drawn, f"{counts[-1]:,}", f"{max(counts):,}", f"{sum(counts):,}"])
    between = f"{date(files[0].at)} to {date(files[-1].at)}"
    caption = f"The newest {len(files):,} files, {between}; a bar a file, each strip as high as its highest"
    heads = {"": "", "by file": "", "newest": "n", "most": "n wide", "in all": "n wide"}
    section = "<h2>Arrivals</h2>" + table(heads, rows, caption, "grid")
    if whole := [file.reason for file in files if file.reason]:
        section += f'<p class="alarm">{len(whole):,} files refused as a whole, the newest: {shown(whole[-1])}</p>'
    return section


def runs_section(seen: Overview) -> str:
    """The newest runs with decision and reason, and how many ended how."""
    if not seen.runs:
        return "<h2>Runs</h2><p>It has not run yet.</p>"
    counted = Counter(run.outcome or "open" for run in seen.runs)
    words = ", ".join(f"{count:,} {shown(how)}" for how, count in counted.most_common())
    alike = [
        list(some) for _, some in groupby(reversed(seen.runs), lambda run: (run.decision, run.outcome, run.reason))
    ]
    heads = {"run": "", "started": "", "decision": "wide", "outcome": "", "because": ""}
    lines = table(heads, [*map(line, alike[:LINES])], kind="words")
    return f"<h2>Runs</h2><p>The newest {len(seen.runs):,}: {words}.</p>{lines}"


def line(runs: Sequence[RunRecord]) -> list[str]:
    """Runs that ended alike, one after the other, newest first."""
    newest, oldest = runs[0], runs[-1]
    numbers = f"{newest.id}" if len(runs) == 1 else f"{oldest.id} to {newest.id}"
    days = dict.fromkeys(unbroken(date(run.started_at)) for run in (oldest, newest))
    return [numbers, " to ".join(days), shown(newest.decision or ""), outcome(newest), shown(newest.reason or "")]


def ended(run: RunRecord) -> str:
    """How a run ended, when it began, and why it ended so; of one that goes on, that it is open."""
    why = f": {shown(run.reason)}" if run.reason else ""
    return f"{outcome(run)}, {run.started_at:%Y-%m-%d %H:%M} UTC{why}"


def outcome(run: RunRecord) -> str:
    """How a run ended."""
    told = shown(run.outcome or "open")
    return f'<span class="alarm">{told}</span>' if run.outcome in ALARMS else told
