"""The gate's word: what it said of a version, what it announced of each promotion, and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.arguments import Model, open_named_registry
from cli.printing import Json, percent, print_json, print_records, print_table, say

if TYPE_CHECKING:
    from db.verdict_records import EvaluationMetric, EvaluationRecord, PromiseRecord


def promises(model: Model, json: Json = False) -> None:
    """List what the gate announced of each promotion beside what came, oldest first."""
    with open_named_registry() as registry:
        found = registry.promises(model)
    if json:
        print_json([vars(promise) | {"held": promise.held} for promise in found])
        return
    columns: dict[str, Callable[[PromiseRecord], object]] = {
        ">promotion": lambda p: p.sequence,
        ">version": lambda p: p.number,
        ">announced": lambda p: percent(p.announced),
        "interval": lambda p: interval(p.low, p.high),
        ">came": lambda p: percent(p.came),
        "held": lambda p: {True: "yes", False: "no", None: ""}[p.held],
        ">rows": lambda p: f"{p.rows:,}",
        ">blocks": lambda p: p.blocks,
    }
    print_records(found, json, columns, empty=f"no challenger was promoted for {model} yet")
    if found:
        from evaluation.promises import in_a_sentence

        say(in_a_sentence(found))


def print_evaluation(evaluation: EvaluationRecord) -> None:
    """Print the gate's verdict on a version, what each rule said, and a line for each figure that it rests on."""
    against = f"version {evaluation.champion}" if evaluation.champion else "the best constant"
    verdict = "passed" if evaluation.passed else "rejected"
    say(f"\nversion {evaluation.challenger} {verdict} against {against}: {evaluation.reason}")
    if evaluation.prove_from:
        say(f"its proving window begins {evaluation.prove_from:%Y-%m-%d %H:%M:%S} UTC")
    if evaluation.announced is not None:
        say(
            f"announced for what comes next: {percent(evaluation.announced)} "
            f"({interval(evaluation.announced_low, evaluation.announced_high)})"
        )
    if evaluation.blocked and not evaluation.reason.startswith("rule "):
        say("it was better on what is new, and refused for what it does elsewhere")
    if evaluation.rules:
        rules = ([rule.rule, "passes" if rule.passed else "rejects", rule.reason] for rule in evaluation.rules)
        print_table(["rule", "verdict", "reason"], rules, empty="")
    columns: dict[str, Callable[[EvaluationMetric], object]] = {
        "dataset": lambda m: m.dataset,
        "slice": lambda m: m.slice,
        "metric": lambda m: m.metric,
        ">rows": lambda m: f"{m.rows:,}",
        ">blocks": lambda m: m.blocks,
        ">effective rows": lambda m: None if m.effective_rows is None else f"{m.effective_rows:,.0f}",
        ">champion": lambda m: m.champion_value,
        ">challenger": lambda m: m.challenger_value,
        ">change": lambda m: m.delta if m.ci_low is None else percent(m.delta),
        "interval": lambda m: interval(m.ci_low, m.ci_high),
        ">against": lambda m: m.against,
        "verdict": lambda m: m.verdict,
    }
    told = {name for name, show in columns.items() for m in evaluation.metrics if show(m) not in {None, ""}}
    rows = ([show(m) for name, show in columns.items() if name in told] for m in evaluation.metrics)
    print_table([name for name in columns if name in told], rows, empty="no figures were recorded")


def interval(low: float | None, high: float | None) -> str:
    """An interval of relative changes; nothing where there is none."""
    return "" if low is None or high is None else f"{percent(low)} to {percent(high)}"
