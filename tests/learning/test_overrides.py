"""Policies as a person writes them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from errors import EvergreenError, InvalidBacktest, InvalidSpec
from learning.overrides import NAMED, checked, grid, in_rounds, overridden, policy
from learning.plans import FineTune, FromScratch
from tiny import TINY


@pytest.mark.parametrize("name", NAMED)
def test_every_named_policy_is_a_spec(name: str) -> None:
    """None of them is refused, and none changes what the model is."""
    spec = overridden(TINY, policy(name))
    assert (spec.schema, spec.objective, spec.pretrain) == (TINY.schema, TINY.objective, TINY.pretrain)


def test_what_is_not_named_stays_as_the_spec_has_it() -> None:
    """A policy replaces single values."""
    spec = overridden(TINY, policy("gate.min_gain=0.1+finetune.head.epochs=3"))
    assert spec.gate == replace(TINY.gate, min_gain=0.1)
    assert isinstance(spec.finetune, FineTune)
    assert isinstance(TINY.finetune, FineTune)
    assert spec.finetune == replace(TINY.finetune, stages=(replace(TINY.finetune.stages[0], epochs=3),))


def test_policies_are_joined() -> None:
    """As "scratch-monthly" is "scratch+monthly"."""
    one, other = (overridden(TINY, policy(text)) for text in ("scratch+monthly", "scratch-monthly"))
    assert one == other
    assert isinstance(one.finetune, FromScratch)


def test_a_grid_makes_every_combination() -> None:
    """Each under a name that says what it is."""
    found = grid(["finetune.replay.share=0,1,3", "gate=off"])
    shares = [overridden(TINY, one).finetune for one in found]
    assert [one.replay.share for one in shares if isinstance(one, FineTune)] == [0, 1, 3]
    assert all(one.always for one in found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nevre", "did you mean 'never'?"),
        ("retrain.evry=3d", "did you mean 'every'?"),
        ("foo=1", "no policy or plan"),
        ("gate=on", 'write "off"'),
        ("source.path=x", "a policy changes retrain, gate, finetune, drift"),
        ("finetune.replay.share=much", "it is no"),
        ("retrain.when.x=1", "there is nothing within it"),
        ("every=soon", "a length of time"),
        ("gate.slices=colour", "the schema has none such"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way(text: str, why: str) -> None:
    """Before anything is done."""
    with pytest.raises(EvergreenError, match=None) as refused:
        list(checked(TINY, [policy(text)]))
    assert isinstance(refused.value, (InvalidBacktest, InvalidSpec))
    assert why in str(refused.value)


def test_each_policy_is_lived_through_once() -> None:
    """What the spec has now, and what always promotes, are there in any case."""
    assert [one.name for one in checked(TINY, [policy("never"), policy("never")])] == ["present", "never", "always"]


def test_policies_that_train_alike_are_begun_in_different_rounds() -> None:
    """So are two names for the same values; another gate makes other champions, and so other trainings.

    Of those that wait for the first round, the one that takes longest comes first.
    """
    names = ["present", "finetune.replay.share=0", "monthly", "gate=off", "gate.rule=proven", "always"]
    found = [one.name for one in in_rounds(TINY, [policy(name) for name in names])]
    assert found == ["present", "gate=off", "gate.rule=proven", "always", "finetune.replay.share=0", "monthly"]
