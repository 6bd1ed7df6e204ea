"""What plain `fit` of a head learns from a frozen base's features is what it learns within the whole model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.learning import digits_file, fitted, plain_fit
from demo.digits import digits_month
from evergreen_client.model_files import load_model
from learning.built import build
from learning.data import read_inputs, select
from learning.plans import Pretrain
from models.digits import spec

if TYPE_CHECKING:
    from pathlib import Path

    import keras


def head_without_chance(features: tuple[int, ...]) -> keras.Model:
    """From features to the chance of each digit, with no dropout, which draws anew in every graph."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(10, activation="softmax")])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's, of graphs that are traced again
def test_a_head_learns_alone_what_it_learns_behind_a_frozen_base(tmp_path: Path) -> None:
    """So the loss of 20 epochs is known without 20 passes of all images through the backbone."""
    digits = replace(spec, build_head=head_without_chance, pretrain=Pretrain(learning_rate=0.01))
    part = digits_file(tmp_path, "part", digits_month(1, 120))
    images = read_inputs(digits.schema, part, select(digits.schema, [part], "train")[0].rows)
    champion = build(digits, images, tmp_path)
    base, untrained = load_model(champion.base), load_model(champion.head)
    features = base.predict(images, verbose=0)
    before = untrained.predict(features, verbose=0)
    behind = plain_fit(digits, champion, [part], 2).predict(images, verbose=0)
    head = fitted(untrained, digits, [part], 2, lambda rows: base.predict(rows, verbose=0))
    alone = head.predict(features, verbose=0)
    np.testing.assert_allclose(alone, behind, atol=1e-4)
    assert np.abs(alone - before).max() > 0.005
