"""Tests of rows as an online learner takes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from errors import InvalidSpec, SchemaMismatch
from learning.objectives import Binary, Multiclass
from learning.online_rows import NUMBERS, WORDS, ColdRows, Words, label_of, packed, weight_of
from learning.regression import Regression
from learning.spec import Schema

SCHEMA = Schema(
    time="at",
    key=("id",),
    target="late",
    numeric=("speed", "weight"),
    categorical=("city", "kind"),
    nullable=("weight", "kind"),
    ranges={"speed": (0, 300)},
    allowed={"city": ("Rome", "Oslo")},
    weight="worth",
)
ROW: dict[str, Any] = {"speed": 30, "weight": 2.5, "city": "Rome", "kind": "van", "other": object()}


def test_what_is_missing_is_imputed_where_the_schema_says_nullable() -> None:
    """A base gets NaN for a number and the empty string for a word, as it does of a partition."""
    found = packed(SCHEMA, [ROW, {**ROW, "weight": None, "kind": None}, {"speed": 1, "city": "Oslo"}])
    assert found[NUMBERS].dtype == np.float32
    np.testing.assert_array_equal(found[NUMBERS], [[30, 2.5], [30, math.nan], [1, math.nan]])
    assert found[WORDS].tolist() == [["Rome", "van"], ["Rome", ""], ["Oslo", ""]]


@pytest.mark.parametrize(
    "change",
    [
        {"speed": None},
        {"speed": math.nan},
        {"speed": math.inf},
        {"weight": -math.inf},
        {"speed": "fast"},
        {"speed": 301},
        {"city": None},
        {"city": "Paris"},
    ],
)
def test_a_row_that_the_schema_refuses_goes_no_further(change: dict[str, Any]) -> None:
    """It is refused by name of its column, without its value, and no word of its burst is learned."""
    rows = ColdRows(SCHEMA, 4)
    with pytest.raises(SchemaMismatch, match=next(iter(change))) as refused:
        rows.numbers([{**ROW, "kind": "bus"}, {**ROW, **change}], learn=True)
    assert "Paris" not in str(refused.value)
    assert not rows.words["kind"].pairs()


def test_words_get_a_slot_and_the_oldest_makes_place() -> None:
    """A table never grows beyond its slots; a word that comes again stays, and no word has no slot."""
    words = Words(3)
    for number in range(1000):
        words.learn("often")
        words.learn(f"once {number}")
    assert len(words.pairs()) == 3
    assert words.slot("often") == 0
    assert words.slot("once 0") == words.slot("") == words.learn("") == -1
    again = Words(3)
    again.restore(words.pairs())
    assert again.learn("new") == words.learn("new")
    assert again.by_slot() == words.by_slot()


def test_only_learning_lets_the_vocabulary_grow() -> None:
    """To ask for a prediction changes nothing."""
    rows = ColdRows(SCHEMA, 4)
    assert rows.numbers([ROW]).tolist() == [[30, 2.5, -1, -1]]
    assert rows.numbers([ROW, {**ROW, "city": "Oslo"}], learn=True).tolist() == [[30, 2.5, 0, 0], [30, 2.5, 1, 0]]
    assert rows.numbers([ROW]).tolist() == [[30, 2.5, 0, 0]]


def test_labels_are_classes_words_or_numbers() -> None:
    """What is none of them is refused, without its value."""
    assert label_of(SCHEMA, Binary(classes=("no", "yes")), "yes") == 1
    assert label_of(SCHEMA, Binary(), True) == 1
    assert label_of(SCHEMA, Regression(), "2.5") == 2.5
    for objective, label in ((Multiclass(3), 3), (Multiclass(3), 0.5), (Binary(), "yes"), (Regression(), math.nan)):
        with pytest.raises(SchemaMismatch, match="a label of 'late'"):
            label_of(SCHEMA, objective, label)
    assert weight_of(SCHEMA, {"worth": 2}) == 2
    with pytest.raises(SchemaMismatch, match="worth"):
        weight_of(SCHEMA, {"worth": -1})


def test_a_cold_start_says_what_it_cannot_take() -> None:
    """Texts, tensors, files and windows need a base that was trained."""
    schema = Schema(time="at", key=("id",), target="late", text=("review",))
    with pytest.raises(InvalidSpec, match="begin with a version"):
        ColdRows(schema, 4)
