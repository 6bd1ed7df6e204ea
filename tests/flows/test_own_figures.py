"""A retrain whose gate is the user's own: a figure that decides, and rules, also of what is measured afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.registry import ModelRegistry
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.spec import Rule
from tiny import TINY, Landing

ALSO = Rule("recall@0.5", at_least=0.5), Rule("latency", at_most=1e6)
GATE = replace(TINY.gate, metric="pr_auc", also=ALSO)


@pytest.mark.slow
def test_a_gate_of_ones_own_in_a_whole_run(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is better by the figure passes, and has every rule recorded, latency last, which is measured last."""
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: replace(TINY, gate=GATE))
    landing.land(400, days=8)
    bootstrap("tiny")
    landing.land(400, flipped=True, days=8)
    assert retrain("tiny") == "promoted"
    (verdict,) = registry.evaluations("tiny", 2)
    assert verdict.metrics[0].metric == "pr_auc"
    assert verdict.reason.startswith("better so far: pr_auc ")
    assert [rule.rule for rule in verdict.rules[3:]] == [rule.name for rule in ALSO]
    assert all(rule.passed for rule in verdict.rules[3:])
