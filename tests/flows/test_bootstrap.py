"""The bootstrap flow as its users see it: what a first version is worth, and how a model starts anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from db.registry import ModelRegistry
from errors import (
    NothingToRollBack,
    TaintedVersion,
)
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.spec import Pretrain
from tiny import TINY, Landing

pytestmark = pytest.mark.slow

Begin = Callable[..., None]


def test_a_first_version_that_learned_nothing_is_warned_of(
    landing: Landing, registry: ModelRegistry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none to beat, so it becomes the champion; but whoever started it is told what it is worth."""
    spec = replace(TINY, pretrain=Pretrain(learning_rate=1e-9), build_head=undecided_head)
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: spec)
    landing.land(200)
    logger = logging.getLogger("prefect.task_runs")
    logger.addHandler(caplog.handler)
    try:
        assert bootstrap("tiny") == "promoted"
    finally:
        logger.removeHandler(caplog.handler)
    assert "version 1 is not shown to be better than a constant prediction" in caplog.text
    assert not registry.evaluations("tiny", 1)[-1].passed


def test_a_first_version_that_is_worse_than_a_constant_is_rejected(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would do harm; the run says what to look at, and once that is mended the next bootstrap starts the model."""
    stuck = replace(TINY, pretrain=Pretrain(learning_rate=1e-9), build_head=wrong_head)
    landing.land(400)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.run.load_spec", lambda *_: stuck)
        assert bootstrap("tiny") == "rejected"
    (run,) = registry.runs("tiny")
    assert (run.outcome, run.decision) == ("rejected", "bootstrap")
    assert "shown worse: log_loss" in str(run.reason)
    assert "evergreen registry curves tiny 1" in str(run.reason)
    assert registry.find_champion("tiny") is None
    assert bootstrap("tiny") == "promoted"
    assert registry.champion("tiny").number == 2


def test_when_the_first_rows_are_recalled_a_bootstrap_starts_anew(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """Nothing is trained from a tainted champion, and every message leads to the way out."""
    begin(400)
    registry.recall("tiny", registry.partitions("tiny")[0].digest, reason="wrong clock", actor="a person")
    landing.land(400, flipped=True)
    with pytest.raises(TaintedVersion, match="evergreen bootstrap tiny"):
        retrain("tiny")
    assert [version.number for version in registry.versions("tiny")] == [1]
    with pytest.raises(NothingToRollBack, match="evergreen bootstrap tiny"):
        registry.rollback("tiny", actor="a person", reason="wrong clock")

    assert bootstrap("tiny") == "promoted"
    champion = registry.champion("tiny")
    assert (champion.number, champion.parent) == (2, None)
    assert registry.tainted("tiny") == (1,)
    assert retrain("tiny") == "no new data"


def undecided_head(features: tuple[int, ...]) -> Any:
    """One half, whatever comes in."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(1, activation="sigmoid", kernel_initializer="zeros")])


def wrong_head(features: tuple[int, ...]) -> Any:
    """Sure that everything is late."""
    from keras import Input, Sequential, initializers, layers

    sure = initializers.Constant(4.0)
    last = layers.Dense(1, activation="sigmoid", kernel_initializer="zeros", bias_initializer=sure)
    return Sequential([Input(features), last])
