"""A retrain whose gate is the user's own: a figure that decides, and rules, also of what is measured afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.registry import ModelRegistry
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.spec import Gate, Rule
from tiny import TINY, Landing


def gate(times: float) -> Gate:
    """PR-AUC decides; recall is bounded, and latency."""
    also = Rule("recall@0.5", at_least=0.5), Rule("latency", at_most=times)
    return replace(TINY.gate, metric="pr_auc", also=also)


@pytest.mark.slow
def test_a_gate_of_ones_own_in_a_whole_run(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is better passes and has every rule recorded, latency last; the next is refused by that rule alone."""
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: replace(TINY, gate=gate(1e6)))
    landing.land(400, days=8)
    bootstrap("tiny")
    landing.land(400, flipped=True, days=8)
    assert retrain("tiny") == "promoted"
    (verdict,) = registry.evaluations("tiny", 2)
    assert verdict.metrics[0].metric == "pr_auc"
    assert verdict.reason.startswith("better so far: pr_auc ")
    assert [rule.rule for rule in verdict.rules[3:]] == ["recall@0.5 at least 0.5", "latency at most 1e+06"]
    assert all(rule.passed for rule in verdict.rules[3:])

    monkeypatch.setattr("tasks.run.load_spec", lambda *_: replace(TINY, gate=gate(1e-9)))
    landing.land(400, days=8)
    assert retrain("tiny") == "rejected"
    newest = registry.model_evaluations("tiny", limit=1)[0]
    assert newest.reason.startswith("rule 'latency at most 1e-09' broken: ")
    assert registry.champion("tiny").number == 3
