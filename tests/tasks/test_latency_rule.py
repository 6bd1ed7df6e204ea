"""A user's own bound on latency, asked of the process that tries a version out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from learning.fresh_service import Answer, FreshService
from learning.spec import Gate, Rule
from tasks.infra_check import InfraCheck, try_out


def test_an_infra_check_asks_the_rule_for_latency() -> None:
    """Without the rule, or a champion, nothing is asked."""
    gate = Gate(also=(Rule("latency", at_most=1.5),))
    service = SimpleNamespace(answer=lambda: Answer([], seconds=(0.4, 0.1)))
    context: Any = SimpleNamespace(spec=SimpleNamespace(gate=gate))
    check = InfraCheck(context, cast("FreshService", service))
    check._recorded, check._timed = np.zeros((10, 1)), True
    found = check.latency(3)
    assert found is not None
    assert (found.rule, found.passed) == ("latency at most 1.5", False)
    assert check.latency(None) is None
    context.spec.gate = Gate()
    assert check.latency(3) is None


def test_a_challenger_that_is_too_slow_by_the_rule_is_refused_by_its_name() -> None:
    """The evaluation that says so carries the rule; the limit of everybody else is not asked for then."""
    gate, recorded = Gate(also=(Rule("latency", at_most=1.5),)), list[Any]()
    version: Any = SimpleNamespace()
    registry = SimpleNamespace(version=lambda *_: version, record_evaluation=recorded.append)
    context: Any = SimpleNamespace(spec=SimpleNamespace(gate=gate, name="tiny"), registry=registry)
    for seconds, says in (((0.4, 0.1), "rule 'latency at most 1.5' broken: 4 times"), ((0.1, 0.1), "")):
        service = SimpleNamespace(answer=lambda seconds=seconds: Answer([[0.0]], seconds=seconds))
        check = InfraCheck(context, cast("FreshService", service))
        check._recorded, check._timed = np.zeros((1, 1)), True
        assert try_out(context, 1, 4, 3, check).startswith(says)
    (refused,) = recorded
    assert (refused.passed, refused.rules[0].rule) == (False, "latency at most 1.5")


def test_a_challenger_beside_a_champion_of_other_columns_is_not_refused_for_its_time() -> None:
    """Both cannot be timed on the same rows, in no run to come either."""
    context: Any = SimpleNamespace(
        spec=SimpleNamespace(gate=Gate(also=(Rule("latency", at_most=1.5),)), name="tiny"),
        registry=SimpleNamespace(),
    )
    service = SimpleNamespace(answer=lambda: Answer([[0.0]]))
    check = InfraCheck(context, cast("FreshService", service))
    check._recorded = np.zeros((1, 1))
    assert try_out(context, 1, 4, 3, check) == ""
