"""Tell people what a run did: one Markdown artifact in the Prefect UI, written from the registry's facts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from db.records import RunEnding
from db.registry import ModelRegistry
from db.verdict_records import DriftCheckRecord, DriftColumn, EvaluationMetric, EvaluationRecord
from evaluation.gate import NAMED
from evaluation.promises import in_a_sentence
from evergreen_client.shown import markdown, number, said
from monitoring.forest import harm
from tasks.logs import by_prefect, run_logger
from tasks.run import Run, step
from tasks.seeing import write_page

REMARKED = 300  # characters of a remark on a column
SLICES = 10  # of an evaluation, those with the most harm
MONITOR = "monitor.html"
PAGE = "evergreen registry report {} {}"


def summary(registry: ModelRegistry, run: Run, ending: RunEnding, pages: str = "") -> str:
    """One run as Markdown: its ending, its drift check, its evaluation and where the time went.

    Args:
        registry: has what the run recorded.
        run: the run.
        ending: how it ended.
        pages: address at which the model's pages are served; "" where they are files only.
    """
    lines = [f"# {run.model}: {ending.outcome}", "", markdown(ending.reason), ""]
    champion = registry.find_champion(run.model)
    lines += [f"Champion: version {champion.number}" if champion else "No champion yet", ""]
    for fared in (check for check in registry.performance_checks(run.model, limit=1) if check.run_id == run.id):
        lines += ["## Performance", "", f"{fared.state}: {markdown(fared.reason)}", ""]
    for check in (check for check in registry.drift_checks(run.model) if check.run_id == run.id):
        lines += drift(check, pages)
    for evaluation in registry.run_evaluations(run.id):
        lines += trial(evaluation)
    lines += ["", f"[The page about {run.model}]({pages}/{MONITOR})"] if pages else []
    lines += ["", f"Promises so far: {in_a_sentence(registry.promises(run.model))}"]
    lines += ["", "## Seconds", "", "| step | seconds |", "| --- | ---: |"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in run.timings.items()]
    return "\n".join(lines)


def drift(check: DriftCheckRecord, pages: str = "") -> Iterator[str]:
    """What was compared with what, and every measure: broken ones first, then those farthest over their thresholds."""
    yield from ("## Drift", "", markdown(check.reason), "")
    for name, rows in ((f"reference, {check.reference_name}", check.reference), ("current", check.current)):
        if rows is not None:
            days = f"{rows.time_from:%Y-%m-%d %H:%M} to {rows.time_to:%Y-%m-%d %H:%M}"
            yield from (f"{markdown(name)}: {rows.rows:,} rows of {rows.blocks:,} time blocks, {days}", "")
    yield from (f"Report: {shown_at(check.report_uri, pages)}", "")
    yield "| column | method | distance | threshold | says | importance | remark |"
    yield "| --- | --- | ---: | ---: | --- | ---: | --- |"
    for c in sorted(check.columns, key=lambda column: (not column.broken, _below(column))):
        says = "**broken**" if c.broken else "drifted" if c.drifted else ""
        threshold = "" if math.isnan(c.threshold) else f"{c.threshold:.3f}"
        importance = "" if c.importance is None else f"{c.importance:+.0%}"
        figures = f"{markdown(c.method)} | {c.score:.3f} | {threshold} | {says} | {importance}"
        yield f"| {_name(c.column)} | {figures} | {markdown(said(c.remark or '', REMARKED))} |"


def shown_at(path: str | None, pages: str) -> str:
    """A report as a link to its page where that is served, else its path.

    Example:
        >>> shown_at("/home/reports/flights/drift-run-3.html", "http://127.0.0.1:5200/flights")
        '[drift-run-3.html](http://127.0.0.1:5200/flights/drift-run-3.html)'
    """
    name = Path(path or "").name
    return f"[{name}]({pages}/{name})" if pages and name else markdown(path)


def _below(column: DriftColumn) -> float:
    """How far a measure is below its threshold; one that was only shown is farthest."""
    below = column.threshold - column.score
    return math.inf if math.isnan(below) else below


def trial(evaluation: EvaluationRecord) -> Iterator[str]:
    """What the gate measured of a challenger, what it announces, and what each of its rules says."""
    against = f"version {evaluation.champion}" if evaluation.champion else "the best constant"
    yield from ("", f"## Version {evaluation.challenger} against {against}", "")
    if evaluation.announced is not None:
        between = f"between {evaluation.announced_low:+.1%} and {evaluation.announced_high:+.1%}"
        yield from (f"Announced for what comes next: {evaluation.announced:+.1%}, {between}", "")
    yield "| dataset | metric | rows | blocks | worth rows | champion | challenger | change | interval | verdict |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |"
    for m in in_short(evaluation):
        interval = f"{m.ci_low:+.1%} to {m.ci_high:+.1%}" if m.ci_low is not None and m.ci_high is not None else ""
        change = f"{m.delta:+.1%}" if interval else f"{'+' * (m.delta >= 0)}{number(m.delta)}"
        place = _name(f"{m.dataset} {m.slice}".strip()) + (f" (against version {m.against})" if m.against else "")
        worth = f"{m.effective_rows:,.0f}" if m.effective_rows is not None else ""
        evidence = f"{m.rows:,} | {m.blocks or ''} | {worth}"
        figures = f"{number(m.champion_value)} | {number(m.challenger_value)} | {change} | {interval} | {m.verdict}"
        yield f"| {place} | {_name(m.metric)} | {evidence} | {figures} |"
    if more := len(evaluation.metrics) - len(in_short(evaluation)):
        yield from ("", f"{more:,} more slices are on its page")
    if evaluation.rules:
        yield from ("", "| rule | would promote | because |", "| --- | --- | --- |")
    for rule in evaluation.rules:
        yield f"| {rule.rule} | {'yes' if rule.passed else 'no'} | {markdown(rule.reason)} |"
    yield from (
        "",
        "All of it, with curves, as a page:",
        "",
        f"    {PAGE.format(evaluation.model, evaluation.challenger)}",
    )


def in_short(evaluation: EvaluationRecord) -> list[EvaluationMetric]:
    """Every figure of whole datasets, and the slices with the most harm: a column may have thousands."""
    slices = sorted((m for m in evaluation.metrics if m.slice), key=harm, reverse=True)
    return [*(m for m in evaluation.metrics if not m.slice), *slices[:SLICES]]


def _name(text: str) -> str:
    """A column or a category as a cell shows it."""
    return markdown(said(text, NAMED))


def publish(text: str, key: str, description: str) -> None:
    """Publish Markdown as an artifact in the Prefect UI; if that fails, the run is what it was."""
    if not by_prefect():
        return
    try:
        create_markdown_artifact(text, key=key.replace("_", "-"), description=markdown(description))
    except Exception:  # noqa: BLE001 - whatever a server or the way to it may do
        run_logger().warning("%s could not be published", key, exc_info=True)


@step("write the report")
def report(run: Run, ending: RunEnding) -> None:
    """Publish the run's summary as an artifact in the Prefect UI; nobody looks at a backtest's."""
    if run.context.past:
        return
    ending = run.told(ending)
    address = run.context.settings.reports_url
    pages = f"{address}/{run.model}" if address else ""
    publish(summary(run.context.registry, run, ending, pages), f"run-{run.model}", ending.reason)
    write_page(run, ending)
