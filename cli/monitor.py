"""`evergreen monitor`: how a model fares, from the registry's facts, on a terminal, as JSON or as a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import Model, open_named_registry
from cli.printing import Json, percent, print_facts, print_json, print_table, say, text
from settings import get_settings

if TYPE_CHECKING:
    from db.verdict_records import DriftCheckRecord
    from monitoring.overview import Overview

COLUMNS, FILES, RUNS, ESTIMATES = 8, 5, 5, 5  # how many of each are listed
Page = Annotated[Path | None, typer.Option("--html", help="Write it as a page, one HTML file, to this path.")]


def monitor(model: Model, html: Page = None, json: Json = False) -> None:
    """Show how a model fares: its loss block by block, drift, arrivals, promises and the last decisions."""
    from evaluation.promises import in_a_sentence
    from monitoring.overview import overview

    with open_named_registry() as registry:
        seen = overview(registry, model)
    promises = in_a_sentence(seen.promises)
    if html is not None:
        from monitoring.document import save
        from monitoring.page import monitor_page

        save(monitor_page(seen, promises), html)
        say(f"written to {html}", err=True)
    if json:
        print_json(vars(seen) | {"champion": seen.champion, "promises_in_words": promises})
    elif html is None:
        print_overview(seen, promises)


def print_overview(seen: Overview, promises: str) -> None:
    """Print it for people, what matters most first."""
    print_facts(seen.model, dict(facts(seen)) | {"promises": promises})
    print_losses(seen)
    if seen.checks:
        print_drift(seen.checks[-1])
    if seen.files:
        say(f"\nthe newest files, of {len(seen.files):,}")
        files = ([f.at, f.uri, *map("{:,}".format, (f.rows, f.taken, f.late, f.refused))] for f in seen.files[-FILES:])
        print_table(["at", "file", ">rows", ">taken", ">late", ">refused"], files, empty="")
    print_estimates(seen)
    if seen.runs:
        say("\nthe newest runs")
        runs = ([r.id, r.started_at, r.decision, r.outcome or "open", r.reason] for r in seen.runs[: -RUNS - 1 : -1])
        print_table([">run", "started", "decision", "outcome", "because"], runs, empty="")
    page = get_settings().monitor_page(seen.model)
    if page.exists():
        say(f"\nas a page: {page}")


def facts(seen: Overview) -> Iterator[tuple[str, object]]:
    """One line for each question: champion, performance, drift."""
    champion = seen.champion
    yield "champion", f"version {champion.number}, since {text(champion.at)} UTC" if champion else "none yet"
    if seen.performance:
        check = seen.performance[-1]
        since = f" since {text(check.since)} UTC" if check.since else ""
        yield "performance", f"{check.state}{since}: {check.reason}"
    else:
        yield "performance", "not checked yet"
    yield "drift", seen.checks[-1].reason if seen.checks else "not checked yet"
    if not seen.files:
        yield "arrivals", "nothing has arrived"
    if not seen.runs:
        yield "runs", "it has not run yet"


def print_losses(seen: Overview) -> None:
    """Print the loss per block as a line of text, with what lay above its limit, and promotions, below it."""
    from monitoring.sparkline import sparkline

    if not seen.blocks:
        say("\nno loss is known yet: losses are measured on what arrives after the first promotion")
        return
    drawn = sparkline(seen)
    say(f"\nloss per time block, {drawn.between}{drawn.scale}")
    for line, what in drawn.lines:
        say(f"  {line}  {what}".rstrip())


def print_drift(check: DriftCheckRecord) -> None:
    """Print the worst columns of a drift check, and the shares of missing values."""
    from monitoring.worst import MISSING, excess, worst_first

    if check.reference and check.current:
        say(f"\nnewest drift check: {check.current.rows:,} new rows against {check.reference.rows:,}")
    else:
        say("\nnewest drift check")

    def far(times: float) -> str:
        return f"{times:,.1f} ×" if math.isfinite(times) and times else ""

    worst = worst_first(check.columns)
    notable = [c for c in worst if c.drifted or c.broken or (c.method == MISSING and c.score > 0)]
    shown = (notable or worst)[:COLUMNS]
    rows = (
        [
            *(c.column, c.method, c.score, c.threshold, far(excess(c))),
            *("broken" if c.broken else "drifted" if c.drifted else "", percent(c.importance), c.remark),
        ]
        for c in shown
    )
    heads = ["column", "measure", ">figure", ">threshold", ">times", "", ">importance", "remark"]
    print_table(heads, rows, empty="it compared no column")
    if len(check.columns) > len(shown):
        say(f"{len(shown)} of {len(check.columns):,} measures, worst first")


def print_estimates(seen: Overview) -> None:
    """Print the newest estimates without labels beside what came."""
    if not seen.estimates:
        return
    say("\nestimated without labels, and what came")

    def between(low: float | None, high: float | None) -> str:
        return "" if low is None or high is None else f"{text(low)} to {text(high)}"

    rows = (
        [e.time_from, e.metric, e.number, e.value, between(e.low, e.high), e.truth]
        for e in seen.estimates[: -ESTIMATES - 1 : -1]
    )
    print_table(["rows from", "figure", ">version", ">estimate", "interval", ">came"], rows, empty="")
