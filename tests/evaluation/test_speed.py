"""A challenger that services would wait for is told apart from one that is a little slower."""

import pytest

from evaluation.speed import slower


def test_ten_times_slower_is_said_with_both_figures() -> None:
    """Whole seconds in, milliseconds a row out."""
    said = slower(6.4, 0.64, rows=64)
    assert said == "it takes 100.00 ms a row, 10.0 times as long as the champion (10.00 ms): at most 3 times is allowed"


@pytest.mark.parametrize(
    ("challenger", "champion"),
    [
        (0.05, 0.6),  # quicker
        (1.8, 0.64),  # not three times as slow
        (0.05, 0.001),  # fifty times, and still nobody would notice
    ],
)
def test_what_nobody_would_notice_is_not_slow(challenger: float, champion: float) -> None:
    """Quicker, a little slower, or quick enough."""
    assert slower(challenger, champion, rows=64) == ""
