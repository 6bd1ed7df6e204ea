"""What stands between a verdict and production: a version that cannot be served, and whoever promotes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from service_here import ServiceHere

from db.records import RunEnding
from db.registry import ModelRegistry
from errors import (
    UnusableVersion,
)
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.features import FrozenBase
from learning.fresh_service import FreshService, Question
from settings import Settings
from tasks.evaluate import PromotionDecision
from tasks.finetune import finetune_champion
from tasks.promote import promote
from tasks.run import Context
from tiny import TINY, Landing

pytestmark = pytest.mark.slow

Begin = Callable[..., None]


def test_a_layer_that_only_this_process_knows_is_found_out_before_the_promotion(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh process cannot load the version: the run fails with a sentence, and what was trained is kept."""
    monkeypatch.setattr("tasks.infra_check.FreshService", FreshService)
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: replace(TINY, build_head=head_of_ones_own))
    landing.land(400)
    with pytest.raises(UnusableVersion, match="Keras does not know its class 'OnlyHere'"):
        bootstrap("tiny")
    (run,) = registry.runs("tiny")
    assert run.outcome == "failed"
    assert "version 1 of model 'tiny': a fresh process with evergreen_client" in str(run.reason)
    assert registry.find_champion("tiny") is None
    assert not registry.evaluations("tiny", 1)[-1].passed

    monkeypatch.setattr("tasks.infra_check.FreshService", ServiceHere)
    assert bootstrap("tiny") == "promoted"


def test_a_file_that_was_damaged_since_it_was_judged_is_found_out_before_the_promotion(
    landing: Landing, registry: ModelRegistry, home: Settings, begin: Begin
) -> None:
    """The next run stores it anew."""
    begin(400)
    landing.land(400, flipped=True)

    class Damaging(ServiceHere):
        """Asked while somebody damages the head's file."""

        def ask(self, question: Question) -> None:
            """Cut it."""
            path = Path(home.artifact_root) / question.head.uri
            path.write_bytes(path.read_bytes()[:-10])
            super().ask(question)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.infra_check.FreshService", Damaging)
        with pytest.raises(UnusableVersion, match="SHA-256"):
            retrain("tiny")
    assert registry.champion("tiny").number == 1
    assert retrain("tiny") == "promoted"


def test_a_version_that_answers_otherwise_is_not_promoted(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """Here the features came from a cache, of another base's making."""
    begin(400)
    landing.land(400, flipped=True)
    real = FrozenBase.features
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenBase, "features", lambda self, inputs: real(self, inputs)[:, ::-1])
        with pytest.raises(UnusableVersion, match="answers otherwise"):
            retrain("tiny")
    assert registry.champion("tiny").number == 1


def head_of_ones_own(features: tuple[int, ...]) -> Any:
    """With a layer that is defined and registered in the process of the tests, and nowhere else."""
    import keras

    @keras.saving.register_keras_serializable("flows")
    class OnlyHere(keras.layers.Layer):  # type: ignore[misc]
        def call(self, rows: Any) -> Any:
            return rows * 1.0

    return keras.Sequential([keras.Input(features), OnlyHere(), keras.layers.Dense(1, activation="sigmoid")])


def test_who_promotes_first_is_judged_against(landing: Landing, registry: ModelRegistry, begin: Begin) -> None:
    """If somebody promotes between the verdict and the promotion, the gate judges again, against the newcomer."""
    begin(400)
    landing.land(400, flipped=True)
    original = registry.champion("tiny")

    def promote_in_between(context: Context, decision: PromotionDecision, number: int) -> RunEnding | None:
        if decision.champion == original.number and registry.sequence("tiny") == 1:
            registry.promote("tiny", original.number, seen=1, kind="rollback", actor="a person", reason="to be sure")
        return promote(context, decision, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.promote.promote", promote_in_between)
        assert retrain("tiny") == "promoted"
    assert [promotion.number for promotion in registry.promotions("tiny")] == [1, 1, 2]
    assert len(registry.evaluations("tiny", 2)) == 2


def test_what_a_person_rolled_back_is_not_promoted_again(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """The same data and plan would make the same version; a run waits for newer data, or for another plan."""
    begin(400, flipped=True)
    registry.rollback("tiny", actor="a person", reason="complaints")
    assert retrain("tiny") == "no new data"
    assert "rolled back" in str(registry.runs("tiny")[0].reason)
    landing.land(400, flipped=True)
    assert retrain("tiny") == "promoted"
    assert registry.champion("tiny").parent == 1


def test_a_rollback_during_a_retrain_is_not_undone_by_it(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """What descends from the version that was taken out of production does not take it back in."""
    begin(400, flipped=True)
    landing.land(400)

    def interrupted(*arguments: Any, **named: Any) -> Any:
        registry.rollback("tiny", actor="a person", reason="complaints")
        return finetune_champion(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.finetune.finetune_champion", interrupted)
        assert retrain("tiny") == "overtaken"
    assert registry.champion("tiny").number == 1
    assert "rollback" in str(registry.runs("tiny")[0].reason)


def test_of_two_retrains_at_once_the_later_one_says_what_happened(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """Both learn the same rows; who comes second is no worse, only late, and the reason says so."""
    begin(400)
    landing.land(400, flipped=True)
    other: list[str] = []

    def overtaken(*arguments: Any, **named: Any) -> Any:
        if not other:
            other.append("began")
            other.append(retrain("tiny"))
        return finetune_champion(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.finetune.finetune_champion", overtaken)
        assert retrain("tiny") == "overtaken"
    assert other == ["began", "promoted"]
    assert [run.reason for run in registry.runs("tiny") if run.outcome == "overtaken"] == [
        "version 2, promoted while this one was trained, learned from the same rows"
    ]
    assert registry.champion("tiny").number == 2
