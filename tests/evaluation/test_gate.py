"""The gate: proven better passes, and every other case has its reason."""

from dataclasses import replace

import numpy as np
import pytest

from errors import NotEnoughData
from evaluation.gate import NEWEST, Paired, judge
from learning.objectives import Binary
from learning.spec import Gate
from tasks.evaluate import numbered

ROWS = 4000
GATE = Gate(min_rows=100)


def paired(champion_noise: float, challenger_noise: float, dataset: str = NEWEST, seed: int = 0) -> Paired:
    """Labels, and two versions' chances: the truth blurred by so much noise."""
    draw = np.random.default_rng(seed)
    truth = draw.uniform(0.05, 0.95, ROWS)
    target = (draw.random(ROWS) < truth).astype(float)

    def blurred(noise: float) -> np.ndarray:
        return np.clip(truth + draw.normal(0, noise, ROWS), 0.02, 0.98).reshape(-1, 1)

    return Paired(target, blurred(champion_noise), blurred(challenger_noise), np.full(ROWS, dataset), {})


def joined(*parts: Paired) -> Paired:
    """Several datasets as one."""
    names = ("target", "champion_prediction", "challenger_prediction")
    return Paired(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names),
        np.concatenate([part.dataset for part in parts]),
        {},
    )


def test_a_better_challenger_passes() -> None:
    """A challenger whose whole interval lies below the champion's loss takes its place."""
    verdict = judge(paired(0.4, 0.05), Binary(), GATE)
    assert verdict.passed
    assert "better" in verdict.reason
    assert "log_loss" in verdict.reason


def test_an_equal_challenger_does_not() -> None:
    """No difference is no reason to change what is in production."""
    same = paired(0.2, 0.2)
    verdict = judge(replace(same, challenger_prediction=same.champion_prediction), Binary(), GATE)
    assert not verdict.passed
    assert verdict.metrics[0].verdict == "same"
    assert verdict.metrics[0].delta == 0.0


def test_a_lucky_difference_is_not_proof() -> None:
    """A mean that is a little lower on few rows does not pass: the interval decides, not the point."""
    few = paired(0.2, 0.19)
    rows = slice(0, 150)
    few = Paired(
        few.target[rows], few.champion_prediction[rows], few.challenger_prediction[rows], few.dataset[rows], {}
    )
    assert not judge(few, Binary(), GATE).passed


def test_forgetting_is_refused() -> None:
    """Better on what is new, worse on what was known: the reason names the era."""
    verdict = judge(joined(paired(0.4, 0.05), paired(0.05, 0.4, "2013-01 to 2013-02", 1)), Binary(), GATE)
    assert not verdict.passed
    assert "forgotten on 2013-01 to 2013-02" in verdict.reason


def test_forgetting_within_the_margin_is_accepted() -> None:
    """The same loss of an old era passes a gate that allows it."""
    both = joined(paired(0.4, 0.05), paired(0.05, 0.4, "2013-01 to 2013-02", 1))
    assert judge(both, Binary(), replace(GATE, max_forgetting=2.0)).passed


def test_a_harmed_slice_is_refused() -> None:
    """A slice that is clearly worse stops a challenger that is better on the whole."""
    good, bad = paired(0.4, 0.05), paired(0.05, 0.5, seed=1)
    few = slice(0, 500)
    both = joined(
        good,
        Paired(bad.target[few], bad.champion_prediction[few], bad.challenger_prediction[few], bad.dataset[few], {}),
    )
    carriers = np.array(["AA"] * ROWS + ["HA"] * 500)
    verdict = judge(replace(both, slices={"carrier": carriers}), Binary(), GATE)
    assert not verdict.passed
    assert "harmed on carrier=HA" in verdict.reason


def test_too_few_rows_give_no_verdict() -> None:
    """With fewer rows than the gate asks for, the answer is to wait, not to guess."""
    few = paired(0.4, 0.05)
    rows = slice(0, 50)
    few = Paired(
        few.target[rows], few.champion_prediction[rows], few.challenger_prediction[rows], few.dataset[rows], {}
    )
    verdict = judge(few, Binary(), GATE)
    assert not verdict.passed
    assert "only 50 labelled holdout rows" in verdict.reason


def test_no_rows_are_an_error() -> None:
    """Nothing to compare on is an error that says what to wait for."""
    none = np.zeros((0, 1))
    with pytest.raises(NotEnoughData, match="0 labelled holdout rows"):
        judge(Paired(np.zeros(0), none, none, np.zeros(0, dtype=str), {}), Binary(), GATE)


@pytest.mark.parametrize("rows", [2, 30, 5000])
def test_the_interval_of_independent_rows_is_students(rows: int) -> None:
    """The limits are those of scipy's own t-test."""
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(rows).normal(0.1, 2.0, rows)
    wanted = ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert mean_interval(values, np.arange(rows), 0.9) == pytest.approx((wanted.low, wanted.high), rel=1e-9)


def test_rows_of_one_patient_are_no_independent_proof() -> None:
    """Forty patients of 25 rows, none of them better on average: few of a hundred samples look better by luck."""
    patients = np.repeat(np.arange(40), 25)
    draw = np.random.default_rng(1)
    samples = [draw.normal(0, 1, 40)[patients] + draw.normal(0, 1, 1000) for _ in range(100)]
    assert sum(mean_interval(values, patients, 0.9)[1] < 0 for values in samples) <= 10
    assert sum(mean_interval(values, np.arange(1000), 0.9)[1] < 0 for values in samples) >= 25


def test_one_patient_alone_gives_no_verdict() -> None:
    """However many rows there are of it."""
    alone = replace(paired(0.4, 0.05), entity=np.zeros(ROWS, "int64"))
    assert "too few" in judge(alone, Binary(), GATE).reason


def test_rows_of_the_same_entity_have_the_same_number() -> None:
    """Several columns together name an entity; without any, every row is one by itself."""
    found = numbered({"ward": np.array(["a", "a", "b", "a"]), "bed": np.array([1, 1, 1, 2])})
    assert found is not None
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 3
    assert numbered({}) is None
