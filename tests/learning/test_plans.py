"""Plans are refused when they are written, not when they are used."""

from functools import partial
from typing import Any

import pytest

from errors import InvalidSpec
from learning.plans import FineTune, Pretrain, Replay, Stage
from learning.schedules import cosine
from learning.spec import DriftPolicy, Gate, RetrainPolicy


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Pretrain, {"epochs": -1}),
        (Pretrain, {"batch_size": 0}),
        (Pretrain, {"validation": 1.0}),
        (FineTune, {"validation_rows": 0}),
        (Stage, {"learning_rate": 0.0}),
        (Stage, {"learning_rate": float("nan")}),
        (Stage, {"learning_rate_scale": 1.5}),
        (Stage, {"patience": 0}),
        (Stage, {"name": "../up"}),
        (Replay, {"share": -0.1}),
        (Replay, {"balance": "luck"}),
        (FineTune, {"stages": ()}),
        (FineTune, {"stages": (Stage(), Stage())}),
        (FineTune, {"distill": 1.0}),
        (FineTune, {"shrink": 0.0}),
    ],
)
def test_a_number_that_cannot_train_is_refused_by_name(kind: Any, values: dict[str, Any]) -> None:
    """The message names the field, so that nobody has to search for it."""
    with pytest.raises(InvalidSpec, match=next(iter(values))):
        kind(**values)


def test_a_stage_takes_its_own_rate_before_a_scaled_one() -> None:
    """A rate that is given is used as it is; else the pretraining rate is scaled."""
    assert Stage(learning_rate=0.5).rate(Pretrain(learning_rate=1.0)) == 0.5
    assert Stage(learning_rate_scale=0.1).rate(Pretrain(learning_rate=1.0)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Gate, {"confidence": 95}),
        (Gate, {"eras": 0}),
        (DriftPolicy, {"alpha": 5}),
        (DriftPolicy, {"share": 0.0}),
        (RetrainPolicy, {"min_rows": -1}),
        (Stage, {"schedule": partial(cosine)}),
    ],
)
def test_policies_are_refused_too(kind: Any, values: dict[str, Any]) -> None:
    """A gate that can never be passed is told of before it has judged for a year."""
    with pytest.raises(InvalidSpec, match=next(iter(values))):
        kind(**values)
