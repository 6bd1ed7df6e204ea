"""Where a challenger comes from, and what had drifted when it was trained: the last sections of a verdict's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.comparison import flat
from monitoring.document import facts, name, shown, table
from monitoring.loss_charts import date
from monitoring.report_page import figure, rows_of
from monitoring.report_page import verdict as measured
from monitoring.worst import each_worst

if TYPE_CHECKING:
    from db.verdict_records import DriftCheckRecord
    from monitoring.verdict_facts import Judged

COLUMNS = 8  # of a drift check, the worst
PARTITIONS = 30  # that it learned, the newest
SETTINGS = 60  # of its plan
SHORT = 12  # characters of a digest that people need
MADE_FOR, BUILDERS = "made_for", "made_for.builders."
TOLD = MADE_FOR, "calibration.", "threshold.", "fitted."  # of a plan, what the page says otherwise


def drift_section(check: DriftCheckRecord | None) -> str:
    """The run's drift check in short: its sentence, the windows, and the worst columns."""
    if check is None:
        return ""
    kind = ' class="alarm"' if check.broken else ""
    windows = facts({"reference": rows_of(check.reference), "current": rows_of(check.current)})
    worst = each_worst(check.columns)[:COLUMNS]
    rows = [[name(c.column), shown(c.method, 30), figure(c.score), figure(c.threshold), measured(c)] for c in worst]
    heads = {"column": "", "measure": "wide", "figure": "n", "threshold": "n", "says": ""}
    caption = f"The worst {len(worst)} of {len({c.column for c in check.columns}):,} columns"
    page = f"<p><small>All of it: {shown(check.report_uri)}</small></p>" if check.report_uri else ""
    return (
        f"<h2>Drift</h2><p{kind}>{shown(check.reason)}</p>{windows}{table(heads, rows, caption) if rows else ''}{page}"
    )


def origin_section(seen: Judged) -> str:
    """Base, head, line, rows, plan, code and libraries of the challenger."""
    version = seen.challenger
    parent = next((one for one in seen.line if one.number == version.parent), None)
    same = " (its parent's)" if parent and parent.base.digest == version.base.digest else ""
    rows, partitions = seen.known
    code = {
        key.removeprefix(BUILDERS): str(value)[:SHORT]
        for key, value in flat(version.plan).items()
        if key.startswith(BUILDERS)
    }
    pairs = {
        "created": f"{version.created_at:%Y-%m-%d %H:%M} UTC",
        "line": line(seen),
        "base": f"<code>{shown(version.base.digest[:SHORT])}</code>{same}",
        "head": f"<code>{shown(version.head.digest[:SHORT])}</code>",
        "learned from": f"{rows:,} rows in {partitions:,} partitions, ancestors included",
        "put right": shown((version.plan.get("calibration") or {}).get("remark", "")),
        "threshold": shown((version.plan.get("threshold") or {}).get("remark", "")),
        "code": ", ".join(f"{shown(key)} <code>{shown(value)}</code>" for key, value in code.items()),
        "libraries": ", ".join(f"{shown(key)} {shown(value)}" for key, value in sorted(version.environment.items())),
    }
    return f"<h2>Where it comes from</h2>{facts(pairs)}{learned(seen)}{plan(seen)}"


def line(seen: Judged) -> str:
    """The version and its ancestors, newest first."""
    numbers = sorted((one.number for one in seen.line), reverse=True)
    shown_ones = " ← ".join(map(str, numbers[:SHORT]))
    return shown_ones + (f" and {len(numbers) - SHORT:,} more" if len(numbers) > SHORT else "")


def learned(seen: Judged) -> str:
    """The partitions that it learned itself, newest first."""
    newest = sorted(seen.learned, key=lambda one: one[0].time_from, reverse=True)
    heads = {"partition": "", "rows": "n", "from": "", "to": "wide", "of it": "", "source": "wide"}
    rows = [
        [
            *(f"<code>{shown(p.digest[:SHORT])}</code>", f"{p.rows:,}", date(p.time_from), date(p.time_to)),
            *("older rows; the newer ones prove it" if partly else "all", name(p.source_uri)),
        ]
        for p, partly in newest[:PARTITIONS]
    ]
    more = f", the newest {PARTITIONS}" if len(newest) > PARTITIONS else ""
    return (
        table(heads, rows, f"{len(newest):,} partition{'s' * (len(newest) != 1)} that it learned itself{more}")
        if rows
        else ""
    )


def plan(seen: Judged) -> str:
    """How it was trained, setting by setting."""
    settings = {key: value for key, value in flat(seen.challenger.plan).items() if not key.startswith(TOLD)}
    rows = [[name(key), shown(value, 200)] for key, value in list(settings.items())[:SETTINGS]]
    return table({"setting": "", "value": ""}, rows, "The plan that it was trained by", kind="words") if rows else ""
