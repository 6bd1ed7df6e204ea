"""A rule that is measured after the gate's verdict stands beside the others."""

from __future__ import annotations

from filled import MODEL, three_champions

from db.registry import ModelRegistry
from db.verdict_records import NewEvaluation, RuleVerdict


def test_a_rule_is_added_to_an_evaluation_and_stands_last(registry: ModelRegistry) -> None:
    """Once, whoever measures it twice; with its name in full."""
    three_champions(registry)
    gates = RuleVerdict("better", True, "better so far"), RuleVerdict("recall@0.01 at least 0.4", True, "kept: 0.5000")
    number = registry.record_evaluation(NewEvaluation(None, MODEL, 3, 2, True, "better", (), gates))
    later = RuleVerdict("latency at most 1.5", True, "kept: 1.1 times the champion's")
    for _ in range(2):
        registry.record_rule(number, later)
    assert registry.evaluations(MODEL, 3)[0].rules == (*gates, later)
