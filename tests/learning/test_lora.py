"""A stage with adapters, and the plain version that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from errors import InvalidSpec
from evergreen_client.model_files import load_model
from learning.data import PartitionFile
from learning.digests import model_digest, structure
from learning.files import Trained
from learning.finetuning import finetune
from learning.lora import adapt, copy_of, merge, refuse_unadaptable
from learning.plans import FineTune, Replay, Stage
from learning.spec import ModelSpec

Tune = Callable[..., Trained]
THAWED = Stage("thawed", thaw=("block2", "norm"), lora_rank=1, epochs=3, patience=9, batch_size=4, learning_rate=0.05)


@pytest.fixture
def tune(
    spec: ModelSpec,
    champion: Trained,
    history: tuple[PartitionFile, ...],
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
) -> Tune:
    """A function that fine-tunes version 1 by the stages given."""
    new = [partition("new", seed=3)]

    def call(work: str, *stages: Stage, **more: Any) -> Trained:
        plan = FineTune(stages=stages, replay=Replay(share=0.0))
        folders = {"cache": tmp_path / "cache", "work": tmp_path / work}
        return finetune(spec, champion.files, new, history, seed=5, plan=plan, **folders, **more)

    return call


@pytest.mark.slow
def test_a_version_has_no_adapters_and_moved_along_few_directions(tune: Tune, champion: Trained) -> None:
    """It is a plain model of the same layers; of a thawed kernel, the change is of the rank that was asked for."""
    kept = {"head": 2, "thawed": 3}
    head = Stage(lora_rank=2, epochs=2, patience=9, batch_size=4, learning_rate=0.05)
    found = tune("work", head, THAWED, refit=kept)
    for part in ("head", "base"):
        before, after = (load_model(getattr(trained.files, part)) for trained in (champion, found))
        assert structure(before) == structure(after)
        assert model_digest(after) == getattr(found.files, f"{part}_digest")
        assert model_digest(after) != getattr(champion.files, f"{part}_digest")
    changed = {one.path for one, two in zip(before.weights, after.weights, strict=True) if not np.array_equal(one, two)}
    assert {path.split("/")[0] for path in changed} == {"block2", "norm"}
    moved = after.get_layer("block2").kernel.numpy() - before.get_layer("block2").kernel.numpy()
    values = np.linalg.svd(moved, compute_uv=False)
    assert values[0] > 1e-3
    assert values[1] < 1e-4 * values[0]
    assert found.plan["stages"][1]["lora_rank"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_crash_in_a_stage_with_adapters_and_averages_changes_nothing_in_the_end(tune: Tune) -> None:
    """Adapters, averages and the optimizer's slots go on from the last whole epoch, to the very same bits."""

    class Crash(Exception):
        """The process ends here."""

    def crash(_stage: str, done: int, _total: int, _metrics: Any) -> None:
        if done == 2:
            raise Crash

    stage = replace(THAWED, ema=0.8)
    with pytest.raises(Crash):
        tune("torn", stage, progress=crash)
    again, whole = (tune(work, stage) for work in ("torn", "whole"))
    assert (again.files.base_digest, again.files.head_digest) == (whole.files.base_digest, whole.files.head_digest)
    assert again.epochs == whole.epochs


def test_layers_within_layers_have_adapters_too_and_those_without_a_step_leave_every_bit(tmp_path: Path) -> None:
    """Attention is of four dense layers; an embedding has one, and what no adapter learned is as it was."""
    words = keras.Input((3,), dtype="int32")
    rows = keras.layers.Embedding(5, 4)(words)
    attended = keras.layers.MultiHeadAttention(num_heads=2, key_dim=2)(rows, rows)
    plain = keras.Model(words, keras.layers.Dense(1)(keras.layers.Flatten()(attended)))
    before = [weight.numpy() for weight in plain.weights]
    adapted = copy_of(plain, tmp_path / "copy.keras")
    adapt(Stage(lora_rank=2), [adapted])
    added = [weight for weight in adapted.trainable_weights if weight.name.startswith("lora_")]
    assert len(added) == 2 * 6
    merge(adapted, plain)
    assert all(map(np.array_equal, before, plain.weights))
    for weight in added:
        weight.assign(weight + 0.1)
    merge(adapted, plain)
    sample = np.array([[0, 1, 4]])
    np.testing.assert_allclose(plain(sample), adapted(sample), rtol=1e-4, atol=1e-5)
    assert not (tmp_path / "copy.keras").exists()


def test_a_stage_without_a_layer_for_adapters_is_refused() -> None:
    """Before anything is trained: version 1 is asked for what its retrains will need."""
    with pytest.raises(InvalidSpec, match="none of its layers \\(norm\\) is Dense or EinsumDense or Embedding"):
        refuse_unadaptable(replace(THAWED, thaw=("norm",)), [keras.layers.BatchNormalization(name="norm")])
    bound = keras.layers.Dense(2, kernel_constraint="non_neg", name="bound")
    bound.build((None, 2))
    with pytest.raises(InvalidSpec, match="layer 'bound' takes no adapter"):
        adapt(THAWED, [bound])
    with pytest.raises(InvalidSpec, match="lora_rank=0"):
        Stage(lora_rank=0)
