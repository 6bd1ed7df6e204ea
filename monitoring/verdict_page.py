"""One page about one verdict of the gate, for whoever has to answer for it. Records in, HTML out.

It is made when somebody asks for it, from what the registry has (docs/adr/0034). Like the other pages it is one file,
without scripts or network (monitoring/document.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from db.verdict_records import EvaluationMetric, RuleVerdict
from evergreen_client.shown import number
from monitoring.document import document, facts, name, shown, table, unbroken
from monitoring.forest import HARM, changes, forest_section
from monitoring.verdict_curves import curves_section, learning_section
from monitoring.verdict_origin import drift_section, origin_section

if TYPE_CHECKING:
    from db.records import PromotionRecord
    from db.verdict_records import EvaluationRecord
    from monitoring.verdict_facts import Judged

CANNOT_TELL = "cannot tell"
FOUND = "found"  # the dataset of slices that were found: they veto nothing
FIGURES = 60  # lines of other figures


def verdict_page(seen: Judged, promises: str = "") -> str:
    """The whole page as HTML.

    Args:
        seen: the facts.
        promises: how many promises of the gate held, in a sentence.
    """
    title = f"{seen.model}: version {seen.evaluation.challenger} against {against(seen.evaluation)}"
    sections = [
        f"<h1>{shown(title)}</h1>",
        f"<p><small>{when(seen)}</small></p>",
        sentence(seen.evaluation),
        head(seen, promises),
        rules_section(seen.evaluation),
        forest_section(seen.evaluation),
        figures_section(seen.evaluation),
        curves_section(seen) if seen.evaluation.metrics else "",
        learning_section(seen),
        drift_section(seen.drift),
        origin_section(seen),
    ]
    return document(title, "\n".join(filter(None, sections)))


def against(evaluation: EvaluationRecord) -> str:
    """What the challenger was compared with."""
    return f"version {evaluation.champion}" if evaluation.champion else "the best constant"


def when(seen: Judged) -> str:
    """When it was judged, in which run, and of when the page is."""
    evaluation = seen.evaluation
    run = f" in run {evaluation.run_id}" if evaluation.run_id is not None else ""
    return f"Judged {evaluation.at:%Y-%m-%d %H:%M} UTC{run}; this page was made {seen.at:%Y-%m-%d %H:%M} UTC."


def sentence(evaluation: EvaluationRecord) -> str:
    """The verdict, as the gate recorded it."""
    word = "Passed" if evaluation.passed else "Refused"
    kind = ' class="alarm"' if evaluation.blocked else ""
    return f"<p><b{kind}>{word}</b>: {shown(evaluation.reason)}</p>"


def head(seen: Judged, promises: str) -> str:
    """What was announced, what came of it, and what became of the version."""
    evaluation = seen.evaluation
    window = f"rows since {evaluation.prove_from:%Y-%m-%d %H:%M} UTC" if evaluation.prove_from else ""
    earlier = "; ".join(f"{one.at:%Y-%m-%d %H:%M} UTC: {shown(one.reason)}" for one in seen.earlier)
    return facts(
        {
            "proving window": window,
            "announced": announced(evaluation),
            "what came": came(seen),
            "promises so far": shown(promises) if seen.promises else "",
            "in production": became(seen),
            "judged before": earlier,
            "recalled": '<span class="alarm">tainted: its line learned from recalled rows</span>' * seen.tainted,
        }
    )


def announced(evaluation: EvaluationRecord) -> str:
    """The change of the loss that was announced for what comes next."""
    if evaluation.announced is None:
        return ""
    low, high = evaluation.announced_low, evaluation.announced_high
    between = f", between {low:+.1%} and {high:+.1%}" if low is not None and high is not None else ""
    return f"{evaluation.announced:+.1%} for what comes next{between}"


def came(seen: Judged) -> str:
    """What came of what was announced."""
    promise = seen.promise
    if promise is None:
        return ""
    if promise.came is None:
        return "not known yet"
    held = {True: "; it held", False: '; <span class="alarm">it did not hold</span>', None: ""}[promise.held]
    return f"{promise.came:+.1%} on {promise.rows:,} rows in {promise.blocks:,} blocks{held}"


def became(seen: Judged) -> str:
    """Whether the version, or its refit, was put in production."""
    refit = f" as version {seen.refit}, its refit on all that was pending" if seen.refit else ""
    if seen.promotion is None:
        return f"no{f'; version {seen.refit} is its refit' if seen.refit else ''}"
    what = f"{refit if seen.promotion.number == seen.refit else ''} ({made_by(seen.promotion)})"
    if seen.replaced is None:
        return f"since {seen.promotion.at:%Y-%m-%d %H:%M} UTC{what}"
    until = f"from {seen.promotion.at:%Y-%m-%d %H:%M} to {seen.replaced.at:%Y-%m-%d %H:%M} UTC{what}"
    return f"{until}; then version {seen.replaced.number} ({made_by(seen.replaced)})"


def made_by(promotion: PromotionRecord) -> str:
    """Whether it was a promotion or a rollback, and by whom."""
    return f"{promotion.kind} by {shown(promotion.actor)}"


def rules_section(evaluation: EvaluationRecord) -> str:
    """What each rule says, and whether harm is shown elsewhere."""
    rules = [*evaluation.rules, *vetoes(evaluation)]
    if not rules:
        return ""
    rows = [[name(rule.rule), says(rule), shown(rule.reason)] for rule in rules]
    note = "<p><small>The model's gate names the rule that decides; the verdict says what that one says.</small></p>"
    return f"<h2>Rules</h2>{note}" + table({"rule": "", "says": "", "because": ""}, rows, kind="words")


def says(rule: RuleVerdict) -> str:
    """What a rule comes to, in a word or two."""
    if rule.reason.startswith(CANNOT_TELL):
        return CANNOT_TELL
    return "pass" if rule.passed else '<span class="alarm">fail</span>'


def vetoes(evaluation: EvaluationRecord) -> Iterator[RuleVerdict]:
    """The rules about past eras and slices, from what is recorded of each."""
    if not evaluation.metrics:
        return
    newest = {evaluation.metrics[0].dataset} if evaluation.rules else set[str]()
    judged = changes(evaluation)
    for rule, what, found in (
        ("nothing forgotten", "era", [m for m in judged if not m.slice and m.dataset not in newest]),
        ("nothing harmed", "slice", [m for m in judged if m.slice and m.dataset != FOUND]),
    ):
        if found:
            yield veto(rule, what, found)


def veto(rule: str, what: str, found: list[EvaluationMetric]) -> RuleVerdict:
    """Whether harm is shown on some of these."""
    many = f"{len(found):,} {what}{'s' * (len(found) != 1)}"
    bad = [m for m in found if m.verdict in HARM]
    unsure = sum(m.verdict == CANNOT_TELL for m in found)
    aside = f"; {unsure:,} cannot tell" if unsure else ""
    if bad:
        worst = bad[0]
        where = worst.slice or worst.dataset
        return RuleVerdict(rule, False, f"harm is shown on {len(bad):,} of {many}, most on {where}{aside}")
    if unsure == len(found):
        return RuleVerdict(rule, False, f"{CANNOT_TELL} on any of {many}")
    return RuleVerdict(rule, True, f"no harm is shown on {many}{aside}")


def figures_section(evaluation: EvaluationRecord) -> str:
    """The figures that people ask for beside the change of the loss."""
    shown_ones = [m for m in evaluation.metrics if not m.slice]
    if not shown_ones:
        return ""
    names = [*dict.fromkeys(m.metric for m in evaluation.metrics)]
    heads = {"figure": "", "on": "", "champion": "n", "challenger": "n", "change": "n wide", "rows": "n wide"}
    rows = [
        [
            *(name(m.metric), unbroken(m.dataset), figure(m.champion_value), figure(m.challenger_value)),
            *(change(m), f"{m.rows:,}"),
        ]
        for m in sorted(shown_ones, key=lambda m: names.index(m.metric))[:FIGURES]
    ]
    return "<h2>Figures</h2>" + table(heads, rows, kind="words")


def figure(value: float) -> str:
    """A figure with the digits that are worth reading."""
    if not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 10_000 else number(value)


def change(metric: EvaluationMetric) -> str:
    """Relative where an interval is, or the loss was compared; else the difference."""
    if not math.isfinite(metric.delta):
        return ""
    return (
        f"{metric.delta:+.1%}"
        if metric.verdict not in {"shown", "no prediction"}
        else f"{'+' * (metric.delta >= 0)}{number(metric.delta)}"
    )
