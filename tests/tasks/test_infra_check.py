"""The check of a challenger in a fresh process: asked once, waited for, its sentence given back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from evergreen_client.artifacts import StoredArtifact
from learning.data import PartitionFile
from learning.fresh_service import Answer, FreshService, Question
from learning.prediction import Predictions
from settings import Settings
from tasks.infra_check import InfraCheck
from tiny import TINY

ROWS = np.arange(5)
PREDICTED = Predictions(ROWS % 2.0, np.linspace(0, 1, 5, dtype="float32")[:, None], ROWS * 0, ROWS, {})


class Scripted:
    """A service that says what it was told to say."""

    def __init__(self, answer: Answer) -> None:
        self.said, self.asked = answer, list[Question]()

    def ask(self, question: Question) -> None:
        """Take the question down."""
        self.asked.append(question)

    def answer(self) -> Answer:
        """As scripted."""
        return self.said


@pytest.fixture
def partition(home: Settings) -> PartitionFile:
    """Five rows of the tiny model."""
    home.home.mkdir()
    path = home.home / "rows.parquet"
    pl.DataFrame({"speed": ROWS / 10, "city": ["A", None, "B", "A", "B"]}).write_parquet(path)
    return PartitionFile("rows", path)


def begun(answer: Answer, home: Settings, partition: PartitionFile) -> tuple[InfraCheck, Scripted]:
    """A check that was begun with five predicted rows, and its service."""
    service = Scripted(answer)
    context: Any = SimpleNamespace(spec=TINY, settings=home)
    check = InfraCheck(context, cast("FreshService", service))
    stored = StoredArtifact("d", "base", "uri", "sha", 1)
    version: Any = SimpleNamespace(model="tiny", number=3, base=stored, head=stored)
    for _ in range(2):  # the gate may judge again
        check.begin(version, PREDICTED, [partition])
    return check, service


def test_the_same_predictions_are_no_failure(home: Settings, partition: PartitionFile) -> None:
    """Raw inputs were asked for, once."""
    check, service = begun(Answer(PREDICTED.prediction.tolist()), home, partition)
    assert check.failure() == ""
    (question,) = service.asked
    assert question.number == 3
    assert question.columns["city"] == [["A"], [""], ["B"], ["A"], ["B"]]


def test_other_predictions_and_errors_are_failures(home: Settings, partition: PartitionFile) -> None:
    """Each with a sentence of its own."""
    check, _ = begun(Answer((PREDICTED.prediction[::-1]).tolist()), home, partition)
    assert "answers otherwise: of 4 of 5 rows it predicts something else" in check.failure()
    check, _ = begun(Answer([], "it has no head"), home, partition)
    assert check.failure().endswith("cannot use it: it has no head")


def test_a_slow_challenger_is_a_sentence_of_its_own(home: Settings, partition: PartitionFile) -> None:
    """It is no failure: its answers are right, and a person may want them all the same."""
    said = PREDICTED.prediction.tolist()
    check, _ = begun(Answer(said, seconds=(0.5, 0.05)), home, partition)
    assert check.failure() == ""
    assert "it takes 100.00 ms a row, 10.0 times as long as the champion (10.00 ms)" in check.slow()
    assert check.slow().endswith("if it is worth that: `evergreen registry promote tiny 3 --reason …`")
    for seconds in ((0.05, 0.05), None):
        check, _ = begun(Answer(said, seconds=seconds), home, partition)
        assert check.slow() == ""


def test_without_a_row_there_is_nothing_to_check(home: Settings, partition: PartitionFile) -> None:
    """The gate says what is missing."""
    service = Scripted(Answer([]))
    context: Any = SimpleNamespace(spec=TINY, settings=home)
    check = InfraCheck(context, cast("FreshService", service))
    none = Predictions(np.empty(0), np.empty((0, 1)), ROWS[:0], ROWS[:0], {})
    check.begin(cast("Any", None), none, [partition])
    assert (check.failure(), check.slow(), service.asked) == ("", "", [])
