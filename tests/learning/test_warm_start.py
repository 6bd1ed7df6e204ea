"""From scratch, or from the champion's weights: the rows held back decide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import learning.finetuning
from errors import TrainingDiverged
from evergreen_client.model_files import load_model
from learning.data import PartitionFile
from learning.digests import model_digest
from learning.files import HeldBack, ModelFiles, Trained
from learning.finetuning import finetune
from learning.fitted import Fitted
from learning.plans import FromScratch, Pretrain
from learning.prediction import predict
from learning.pretraining import pretrain
from learning.spec import ModelSpec

pytestmark = pytest.mark.usefixtures("eagerly")

NOTHING = Pretrain(epochs=0)
CONSTANT = 0.6
BOTH = FromScratch(warm_start=True)

Begun = Callable[..., tuple[Trained, ModelFiles, Path]]


def test_a_warm_start_begins_as_the_champion_answers(
    spec: ModelSpec, champion: Trained, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """Also the scale of its inputs and its words are the champion's, though other rows are learned from."""
    new = pretrain(spec, history, work=tmp_path / "new", plan=NOTHING, seed=2)
    warm = pretrain(spec, history[:1], work=tmp_path / "warm", plan=NOTHING, seed=2, start=champion.files)
    said = [predict(spec, one.files, history, split="all", cache=None).prediction for one in (champion, warm, new)]
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.allclose(said[0], said[2])
    assert warm.plan["warm_start"]
    assert "warm_start" not in new.plan


def test_base_and_head_learn_on_together(
    spec: ModelSpec, champion: Trained, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """What was frozen for a hundred retrains moves, too."""
    plan = Pretrain(epochs=6, batch_size=4, learning_rate=0.03)
    refit = {"refit": {"pretrain": 6}, "fitted": Fitted(warm_start=True)}
    found = pretrain(spec, history, work=tmp_path, plan=plan, start=champion.files, **refit)
    assert found.files.base_digest != champion.files.base_digest
    assert found.files.head_digest != champion.files.head_digest
    assert model_digest(load_model(found.files.base)) == found.files.base_digest


def trainings(
    monkeypatch: pytest.MonkeyPatch, cold: float | None, warm: float | None, epochs: int = 3
) -> list[dict[str, Any]]:
    """Let trainings come to a loss by what they begin with; what each was asked for."""
    asked: list[dict[str, Any]] = []

    def fake(*_: Any, start: Any = None, **how: Any) -> Trained:
        asked.append(how | {"start": start})
        fitted = Fitted(warm_start=start is not None)
        loss = warm if start else cold
        held = None if loss is None else HeldBack(loss, CONSTANT)
        kept = {"pretrain": epochs if start else 3}
        return Trained(start, (), (), {}, "learned", kept, fitted=fitted, held_back=held)

    monkeypatch.setattr("learning.finetuning.pretrain", fake)
    return asked


@pytest.fixture
def begun(spec: ModelSpec, champion: Trained, tmp_path: Path) -> Begun:
    """A function that trains a challenger by a plan: it, where it may begin, and its work folder."""

    def train(plan: FromScratch, **how: Any) -> tuple[Trained, ModelFiles, Path]:
        found = finetune(
            spec, champion.files, (), (), cache=tmp_path, work=tmp_path, logs=tmp_path / "logs", plan=plan, **how
        )
        return found, champion.files, tmp_path

    return train


@pytest.mark.parametrize(
    ("cold", "warm", "said"),
    [
        (0.5, 0.4, "learned; it began with the champion's weights: with new ones, 0.5000"),
        (0.4, 0.419, "learned; it began with the champion's weights: with new ones, 0.4000"),
        (0.4, 0.421, "learned; with the champion's weights to begin with, 0.4210"),
        (0.7, 0.701, "learned; with the champion's weights to begin with, 0.7010"),
    ],
)
def test_new_weights_are_kept_where_they_are_clearly_better_on_the_rows_held_back(
    monkeypatch: pytest.MonkeyPatch, begun: Begun, cold: float, warm: float, said: str
) -> None:
    """By more than a tenth of what they gain on a constant. And how the other one did is said."""
    asked = trainings(monkeypatch, cold, warm)
    found, champion, folder = begun(BOTH)
    assert (found.fitted.warm_start, found.reason) == ("it began" in said, said)
    assert [one["start"] for one in asked] == [None, champion]
    assert [one["work"] for one in asked] == [folder, folder / "warm"]
    assert [one["logs"] for one in asked] == [folder / "logs", folder / "logs" / "warm"]


@pytest.mark.parametrize(("warm", "kept"), [(0.401, False), (0.399, True)])
def test_the_champion_itself_is_no_challenger_that_may_be_a_little_worse(
    monkeypatch: pytest.MonkeyPatch, begun: Begun, warm: float, kept: bool
) -> None:
    """Where no epoch of a warm start was better than its beginning, new weights that are better are tried."""
    trainings(monkeypatch, 0.4, warm, epochs=0)
    assert begun(BOTH)[0].fitted.warm_start == kept


def test_a_warm_start_that_fails_takes_nothing_away(monkeypatch: pytest.MonkeyPatch, begun: Begun) -> None:
    """New weights were what rescued a champion whose own are of no use."""
    trainings(monkeypatch, 0.4, 0.3)
    fake = learning.finetuning.pretrain

    def fails(*args: Any, start: Any = None, **how: Any) -> Trained:
        if start is not None:
            raise TrainingDiverged("loss nan", "it is not finite", "lower the rate")
        return fake(*args, **how)

    monkeypatch.setattr("learning.finetuning.pretrain", fails)
    found = begun(BOTH)[0]
    assert not found.fitted.warm_start
    assert "it failed: loss nan" in found.reason


def test_a_single_training_where_nobody_could_tell_or_nobody_asked(
    monkeypatch: pytest.MonkeyPatch, begun: Begun
) -> None:
    """Where all rows trained, none says which is better; and who says "from scratch" means new weights."""
    asked = trainings(monkeypatch, None, None)
    begun(BOTH)
    begun(FromScratch())
    assert [one["start"] for one in asked] == [None, None]


@pytest.mark.parametrize("warm", [False, True])
def test_a_refit_begins_as_its_proof_did(monkeypatch: pytest.MonkeyPatch, begun: Begun, warm: bool) -> None:
    """Nothing is held back of it, to choose by."""
    asked = trainings(monkeypatch, None, None)
    _, champion, _ = begun(BOTH, refit={"pretrain": 3}, fitted=Fitted(warm_start=warm))
    assert [one["start"] for one in asked] == [champion if warm else None]


def test_two_trainings_of_the_same_rows_hold_the_same_ones_back(
    spec: ModelSpec, champion: Trained, partition: Callable[..., PartitionFile], tmp_path: Path
) -> None:
    """Their losses can be compared: neither saw what the other is judged by."""
    plan = FromScratch(Pretrain(epochs=2, batch_size=4, validation=0.25), warm_start=True)
    new = [partition("new", 40, seed=3)]
    found = finetune(spec, champion.files, new, (), cache=tmp_path / "c", work=tmp_path / "w", plan=plan)
    assert found.held_back is not None
    assert np.isfinite([found.held_back.loss, found.held_back.constant]).all()
    assert "to begin with" in found.reason or "it began with the champion's weights" in found.reason
    assert (found.fitted.warm_start, found.plan.get("warm_start")) in {(True, True), (False, None)}
