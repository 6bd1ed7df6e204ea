"""What models are judged by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from errors import InvalidSpec
from learning.objectives import Binary, Multiclass, Objective, Regression, roc_auc


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2))
def test_the_area_is_scikit_learns_ties_included(rows: list[tuple[bool, int]]) -> None:
    """Ours costs no import and gives the same number, or NaN where there is none."""
    positive, score = (np.array(column) for column in zip(*rows, strict=True))
    if positive.all() or not positive.any():
        assert np.isnan(roc_auc(positive, score / 5))
    else:
        assert roc_auc(positive, score / 5) == pytest.approx(roc_auc_score(positive, score / 5))


def test_a_score_that_is_no_number_has_no_area() -> None:
    """A diverged model is reported, not crashed upon."""
    assert np.isnan(roc_auc(np.array([True, False]), np.array([np.nan, 0.5])))


def test_log_losses_are_scikit_learns() -> None:
    """Binary and multiclass, mean over rows."""
    binary, classes = np.array([1.0, 0.0, 1.0]), np.array([0.0, 2.0, 1.0])
    chance, chances = np.array([0.9, 0.2, 0.6]), np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]])
    assert Binary().metrics(binary, chance)["log_loss"] == pytest.approx(log_loss(binary, chance))
    assert Multiclass(3).metrics(classes, chances)["log_loss"] == pytest.approx(log_loss(classes, chances))


@pytest.mark.parametrize(
    ("objective", "target"),
    [(Binary(), [0.0, 1.0, 1.0]), (Multiclass(3), [0.0, 2.0, 2.0]), (Regression(), [1.0, 5.0, 7.0])],
)
def test_no_other_constant_beats_the_constant(objective: Objective, target: list[float]) -> None:
    """What any model must beat is the best that looks at nothing."""
    rows = np.array(target)
    best = objective.constant(rows)
    other = best * 0.9 + 0.1 / len(best)

    def loss(guess: np.ndarray) -> float:
        return float(objective.row_loss(rows, np.broadcast_to(guess, (3, len(guess)))).mean())

    assert loss(best) <= loss(other)


@pytest.mark.parametrize("objective", [Binary(), Multiclass(2), Regression()])
def test_the_named_loss_is_among_the_metrics(objective: Objective) -> None:
    """The registry orders versions by it."""
    prediction = np.full((2, 2), 0.5) if isinstance(objective, Multiclass) else np.full((2, 1), 0.5)
    assert objective.loss_name in objective.metrics(np.array([0.0, 1.0]), prediction)


@pytest.mark.parametrize("classes", [("one",), ("a", "a"), ("a", " "), ["a", "b"], "ab"])
@pytest.mark.parametrize("objective", [Binary, Multiclass])
def test_words_that_cannot_name_classes_are_refused(objective: type[Binary], classes: tuple[str, ...]) -> None:
    """One word, a word twice, an empty one, or no tuple."""
    with pytest.raises(InvalidSpec):
        objective(classes=classes)


def test_a_binary_objective_has_two_words() -> None:
    """Three words are classes of another objective."""
    with pytest.raises(InvalidSpec, match="Multiclass"):
        Binary(classes=("a", "b", "c"))


def test_words_change_no_figure() -> None:
    """A model's loss is the same, whatever its classes are called."""
    target, chances = np.array([0.0, 2.0]), np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    assert Multiclass(3).metrics(target, chances) == Multiclass(classes=("x", "y", "z")).metrics(target, chances)
    assert len(Multiclass(classes=("x", "y", "z")).constant(target)) == 3
