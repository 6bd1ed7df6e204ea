"""Learning rates over a stage."""

from learning.schedules import constant, cosine


def test_cosine_warms_up_then_falls_and_never_reaches_zero() -> None:
    """The rate is highest at the end of the warm-up, and every step learns something."""
    rates = [cosine(step / 100, 0.1) for step in range(101)]
    assert max(rates) == rates[5] == 0.1
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert min(rates) > 0


def test_constant_stays() -> None:
    """The rate is what it was, everywhere."""
    assert {constant(step / 10, 0.1) for step in range(11)} == {0.1}
