"""The same version elsewhere: rounding is no difference, and everything else is one."""

import numpy as np
import pytest

from evaluation.reproduction import difference

RECORDED = np.random.default_rng(0).uniform(0, 1, (64, 3)).astype("float32")


@pytest.mark.parametrize("scale", [1.0, 300.0, 1e-6])
def test_rounding_is_no_difference(scale: float) -> None:
    """Some bits of float32, or the ten bits of a GPU's fast multiplication."""
    recorded = RECORDED * scale
    for relative in (1e-7, 1e-5, 1e-3):
        assert difference(recorded, recorded * (1 + relative)) == ""


def test_numbers_that_are_all_alike_may_round_too() -> None:
    """One row, or a model that says almost the same of all, has no spread to measure by."""
    recorded = np.full((1, 1), 273.15, "float32")
    assert difference(recorded, recorded + 1e-3) == ""
    assert "1 of 1 rows" in difference(recorded, recorded + 1.0)


def test_another_answer_is_a_difference() -> None:
    """Rows mixed up, columns mixed up, one row that is off, no number at all, another shape."""
    one = RECORDED.copy()
    one[5, 1] += 0.02
    nothing = RECORDED.copy()
    nothing[5] = np.nan
    assert "of 64 of 64 rows" in difference(RECORDED, RECORDED[::-1])
    assert "of 64 of 64 rows" in difference(RECORDED, RECORDED[:, ::-1] + 0.01)
    assert "of 1 of 64 rows" in difference(RECORDED, one)
    assert "of 1 of 64 rows" in difference(RECORDED, nothing)
    assert "shape (64, 1) where (64, 3)" in difference(RECORDED, RECORDED[:, :1])
