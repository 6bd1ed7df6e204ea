"""`evergreen backtest`: policies side by side."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from cli.backtest import THREADS, side_by_side


def threads(*_: object) -> str:
    """What TensorFlow is told in the process that is asked."""
    return os.environ[THREADS]


@pytest.mark.slow
def test_policies_side_by_side_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with threads for all cores, they would take processor time from each other."""
    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.setattr("cli.backtest.cores", lambda: 6)
    monkeypatch.setattr("cli.backtest.watch", lambda *_: None)
    monkeypatch.setattr("learning.catalog.load_spec", lambda *_: None)
    monkeypatch.setattr("learning.overrides.in_rounds", lambda _, policies: policies)
    monkeypatch.setattr("flows.backtest.live_by_name", threads)
    history: Any = SimpleNamespace(model="m", settings=SimpleNamespace(model_folders=()))
    policies: Any = [SimpleNamespace(name="weekly"), SimpleNamespace(name="never")]
    assert side_by_side(2)(history, policies) == ["3", "3"]
