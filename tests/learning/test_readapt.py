"""FineTune(readapt=True): what a base adapted to follows the rows, and a challenger is trained from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from errors import InvalidSpec
from evergreen_client.model_files import load_model
from learning.assembly import named_layers
from learning.data import PartitionFile
from learning.files import Trained
from learning.finetuning import finetune
from learning.plans import FineTune, Stage
from learning.readapt import WARM_UP, rescale, warmed_up
from learning.spec import ModelSpec


@pytest.mark.slow
def test_a_challenger_stands_on_a_base_that_knows_the_new_words(
    spec: ModelSpec, champion: Trained, history: tuple[PartitionFile, ...], partition: Callable[..., PartitionFile],
    tmp_path: Path,
) -> None:  # fmt: skip
    """A new base with the word "z", scaled as the rows are now; the same again gives the very same."""
    plan = replace(spec.finetune, readapt=True, validation=0.5)
    new = [partition("new", 32, seed=3)]

    def trained(work: str) -> Trained:
        return finetune(
            spec, champion.files, new, history, cache=tmp_path / "cache", work=tmp_path / work, seed=1, plan=plan
        )

    found = trained("one")
    assert found.files.base_digest != champion.files.base_digest
    base, before = load_model(found.files.base), load_model(champion.files.base)
    assert base.get_layer("lookup").get_vocabulary() == ["[UNK]", "x", "y", "z"]
    assert base.get_layer("embedding").get_weights()[0].shape == (4, 2)
    assert not np.allclose(base.get_layer("scale").get_weights()[0], before.get_layer("scale").get_weights()[0])
    assert set(found.kept) == {"head", WARM_UP}
    assert found.plan["readapt"] is True
    again = trained("two").files
    assert (again.base_digest, again.head_digest) == (found.files.base_digest, found.files.head_digest)


def test_a_scale_follows_the_values_that_are_there() -> None:
    """Nulls say nothing of a mean, and a column of which nothing is known stays as it was."""
    from keras import layers

    layer = layers.Normalization()
    layer.adapt(np.array([[0.0, 5.0], [2.0, 7.0]], "float32"))
    rescale(layer, np.array([[10.0, np.nan], [30.0, np.nan], [np.nan, np.nan]], "float32"))
    np.testing.assert_allclose(layer(np.array([[30.0, 7.0]], "float32")), [[1.0, 1.0]], rtol=1e-5)
    whole = layers.Normalization(axis=None)
    whole.adapt(np.array([[0.0, 2.0]], "float32"))
    rescale(whole, np.array([[10.0, 30.0]], "float32"))
    np.testing.assert_allclose(whole(np.array([[10.0, 30.0]], "float32")), [[-1.0, 1.0]], rtol=1e-5)


def test_the_last_stage_is_the_plans_own_if_it_has_one(spec: ModelSpec) -> None:
    """Whoever knows better how to warm up says so by the stage's name."""
    own = FineTune(stages=(Stage(WARM_UP, thaw=("block2",)),), readapt=True)
    assert warmed_up(own, spec.pretrain) is own
    assert [stage.name for stage in warmed_up(FineTune(readapt=True), spec.pretrain).stages] == ["head", WARM_UP]


@pytest.mark.parametrize("layer", ["lookup", "scale"])
def test_a_layer_without_weights_that_learn_is_not_thawed_in_silence(champion: Trained, layer: str) -> None:
    """Thawing it was accepted, and changed nothing."""
    base = load_model(champion.files.base)
    with pytest.raises(InvalidSpec, match=r"has no weights that learn.*FineTune\(readapt=True\)"):
        named_layers(base, (layer,))
    assert named_layers(base, ("block2",))[0].name == "block2"


def test_the_champions_own_words_need_its_own_features() -> None:
    """Distilling and readapting exclude each other, and it is said where they are written."""
    with pytest.raises(InvalidSpec, match="0 with readapt"):
        FineTune(readapt=True, distill=0.5)
