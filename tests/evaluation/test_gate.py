"""The gate: better on what is new and harmful nowhere passes, and every other case has its reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from db.verdict_records import NewEvaluation
from errors import NotEnoughData
from evaluation.gate import NEWEST, PROVING, Paired, judge
from evaluation.promises import Announcement
from evaluation.sequential import Look
from learning.objectives import Binary, Regression
from learning.spec import Gate

ROWS = 4000
ERA = "2013-01-01 to 2013-02-28"
DAY = np.timedelta64(1, "D")
MARCH = np.datetime64("2013-03-01", "us")
GATE = Gate(min_rows=100)


def paired(
    champion_noise: float, challenger_noise: float, dataset: str = PROVING, seed: int = 0, days: int = 4
) -> Paired:
    """Labels of some days of March, and two versions' chances: the truth blurred by so much noise."""
    draw = np.random.default_rng(seed)
    truth = draw.uniform(0.05, 0.95, ROWS)
    target = (draw.random(ROWS) < truth).astype(float)

    def blurred(noise: float) -> np.ndarray:
        return np.clip(truth + draw.normal(0, noise, ROWS), 0.02, 0.98).reshape(-1, 1)

    block = MARCH + np.arange(ROWS) % days * DAY
    return Paired(target, blurred(champion_noise), blurred(challenger_noise), np.full(ROWS, dataset), {}, block=block)


def joined(*parts: Paired) -> Paired:
    """Several datasets as one."""
    names = "target", "champion_prediction", "challenger_prediction", "dataset"
    blocks = np.concatenate([part.block for part in parts if part.block is not None])
    return Paired(*(np.concatenate([getattr(part, name) for part in parts]) for name in names), {}, block=blocks)


def first(whole: Paired, rows: int) -> Paired:
    """Its first rows."""
    names = "target", "champion_prediction", "challenger_prediction", "dataset", "block"
    return replace(whole, **{name: getattr(whole, name)[:rows] for name in names})


FORGETFUL = joined(paired(0.4, 0.05), paired(0.05, 0.4, ERA, 1))


def test_a_challenger_that_is_better_so_far_passes() -> None:
    """The sentence gives the loss before and after, where, the change, its interval and what that stands on."""
    verdict = judge(paired(0.4, 0.05), Binary(), GATE)
    assert verdict.passed
    assert not verdict.blocked
    figure = verdict.metrics[0]
    assert (figure.dataset, figure.metric, figure.verdict, figure.blocks) == (PROVING, "log_loss", "better", 4)
    assert verdict.reason == (
        f"better so far: log_loss {figure.champion_value:.4f} to {figure.challenger_value:.4f} on the proving window "
        f"since 2013-03-01 ({figure.delta:+.1%}, between {figure.ci_low:+.1%} and {figure.ci_high:+.1%}, 4 blocks)"
    )


def test_an_equal_challenger_does_not() -> None:
    """No difference is no reason to change what is in production."""
    same = paired(0.2, 0.2)
    verdict = judge(replace(same, challenger_prediction=same.champion_prediction), Binary(), GATE)
    assert not verdict.passed
    assert verdict.metrics[0].verdict == "same"
    assert verdict.metrics[0].delta == 0.0
    assert verdict.reason.startswith("not shown better: log_loss")


def test_a_verdict_goes_into_the_registry_as_it_is() -> None:
    """Its fields are those of an evaluation."""
    verdict = judge(paired(0.4, 0.05), Binary(), GATE)
    recorded = NewEvaluation(run_id=1, model="flights", challenger=2, champion=1, **vars(verdict))
    assert [rule.rule for rule in recorded.rules] == ["better", "proven", "not worse"]


def test_forgetting_is_refused() -> None:
    """Better on what is new, worse on what was known: the reason names the era, and that the rest would have passed."""
    verdict = judge(FORGETFUL, Binary(), GATE)
    assert not verdict.passed
    assert verdict.blocked
    assert verdict.reason.startswith(f"forgotten on {ERA} (+")
    assert "although better so far: log_loss" in verdict.reason
    assert verdict.rules[0].passed


def test_a_challenger_that_would_not_have_passed_is_not_blocked() -> None:
    """What it forgets is not what stands in its way."""
    verdict = judge(joined(paired(0.05, 0.4), paired(0.05, 0.4, ERA, 1)), Binary(), GATE)
    assert not verdict.blocked
    assert verdict.harmful
    assert verdict.reason.startswith("shown worse")


def test_forgetting_within_the_margin_is_accepted() -> None:
    """The same loss of an old era passes a gate that allows it."""
    assert judge(FORGETFUL, Binary(), replace(GATE, max_forgetting=2.0)).passed


def test_an_era_from_before_the_world_turned_vetoes_nothing() -> None:
    """Its figures are shown all the same, and the sentence says that it was not counted; nor are its rows in slices."""
    airports = np.array(["JFK"] * ROWS + ["EWR"] * ROWS)
    verdict = judge(replace(FORGETFUL, slices={"origin": airports}), Binary(), GATE, uncounted=frozenset({ERA}))
    assert verdict.passed
    assert verdict.reason.endswith("; no harm shown on 1 era (1 not counted) and 1 slice")
    words = {(m.dataset, m.slice): m.verdict for m in verdict.metrics if m.metric == "log_loss"}
    assert words == {(PROVING, ""): "better", (ERA, ""): "not counted", ("all", "origin=JFK"): "kept"}


def test_eras_are_compared_with_the_best_version_of_the_past() -> None:
    """A little worse than a champion that was a little worse before is a lot worse than what there once was."""
    step = joined(paired(0.4, 0.05), paired(0.3, 0.3, ERA, 1))
    assert judge(step, Binary(), GATE).passed
    best = np.concatenate([np.full((ROWS, 1), np.nan), paired(0.02, 0.02, ERA, 1).champion_prediction])
    verdict = judge(replace(step, reference_prediction=best), Binary(), GATE, against={ERA: 3})
    assert verdict.blocked
    era = next(m for m in verdict.metrics if m.dataset == ERA)
    assert (era.verdict, era.against) == ("forgotten", 3)
    assert verdict.metrics[0].against is None
    assert {m.metric: m.against for m in verdict.metrics if m.dataset == ERA}["auc"] == 3
    newest = replace(step, reference_prediction=best, dataset=np.where(step.dataset == PROVING, NEWEST, ERA))
    assert judge(newest, Binary(), GATE).metrics[0].champion_value == verdict.metrics[0].champion_value


def test_a_harmed_slice_is_refused() -> None:
    """A slice that is clearly worse stops a challenger that is better on the whole."""
    both = joined(paired(0.4, 0.05), first(paired(0.05, 0.5, seed=1), 500))
    carriers = np.array(["AA"] * ROWS + ["HA"] * 500)
    verdict = judge(replace(both, slices={"carrier": carriers}), Binary(), GATE)
    assert verdict.blocked
    assert "harmed on carrier=HA" in verdict.reason


def test_equal_challengers_are_not_refused_for_the_number_of_slices_or_eras() -> None:
    """Of forty slices some look worse by luck: all together they refuse at most one equal challenger in ten."""
    refused = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        before, after = np.abs(draw.normal(1, 1, (2, 2000, 1)))
        values = draw.integers(0, 40, 2000).astype(str)
        where = Paired(np.zeros(2000), before, after, np.full(2000, NEWEST), {"carrier": values})
        refused += any(m.verdict == "harmed" for m in judge(where, Regression(), Gate(min_rows=20)).metrics)
    assert refused <= 6


@pytest.mark.parametrize("rows", [60, 200, 2000])
def test_an_equal_challenger_is_not_forgetful_on_small_eras(rows: int) -> None:
    """Forgetting has to be shown: that it cannot be ruled out refuses nobody."""
    refused = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        truth = draw.normal(0, 1, rows)
        noise = draw.normal(0, 0.5, (2, rows, 1))
        target = (draw.random(rows) < 1 / (1 + np.exp(-truth))).astype(float)
        before, after = 1 / (1 + np.exp(-truth[:, None] - noise))
        old = Paired(target, before, after, np.full(rows, ERA), {}, block=MARCH + np.arange(rows) % 20 * DAY)
        refused += judge(old, Binary(), Gate()).metrics[0].verdict == "forgotten"
    assert refused <= 4


def test_too_few_rows_give_no_verdict() -> None:
    """With fewer rows than the gate asks for, the answer says so, and no interval pretends to know."""
    verdict = judge(first(paired(0.4, 0.05), 50), Binary(), GATE)
    assert not verdict.passed
    assert verdict.reason == "cannot tell: 50 of the 100 labelled rows that a verdict takes"
    assert verdict.metrics[0].verdict == "cannot tell"
    assert verdict.metrics[0].ci_low is None
    assert not verdict.harmful


def test_rare_outcomes_are_counted_and_not_rows() -> None:
    """A challenger that understates a risk of one in a thousand threefold passes nowhere on 200 rows."""
    for seed in range(20):
        risk = np.full(200, 0.001)
        target = (np.random.default_rng(seed).random(200) < risk).astype(float)
        for dataset in (PROVING, NEWEST):
            where = Paired(target, risk[:, None], risk[:, None] / 3, np.full(200, dataset), {})
            verdict = judge(replace(where, block=MARCH + np.arange(200) % 2 * DAY), Binary(), Gate())
            assert not verdict.passed
            assert "of the 20 rows of the rarer outcome that a verdict takes" in verdict.reason


def test_what_a_small_era_cannot_tell_is_said_and_no_veto() -> None:
    """Neither a silent pass nor a refusal."""
    verdict = judge(joined(paired(0.4, 0.05), first(paired(0.05, 0.4, ERA, 1), 60)), Binary(), GATE)
    assert verdict.passed
    assert verdict.reason.endswith("; no harm shown on 1 era (1 cannot tell)")


def test_no_rows_are_an_error() -> None:
    """Nothing to compare on is an error that says what to wait for."""
    none = np.zeros((0, 1))
    with pytest.raises(NotEnoughData, match="0 labelled rows"):
        judge(Paired(np.zeros(0), none, none, np.zeros(0, dtype=str), {}), Binary(), GATE)


def test_without_a_row_that_is_new_nothing_passes() -> None:
    """Past eras alone prove nothing."""
    verdict = judge(paired(0.4, 0.05, ERA), Binary(), GATE)
    assert not verdict.passed
    assert verdict.reason == "cannot tell: no labelled row is new"


def test_one_block_decides_by_its_point_and_gives_no_interval() -> None:
    """A proving window may be a single day: better so far, said to be without an interval."""
    verdict = judge(paired(0.4, 0.05, days=1), Binary(), GATE)
    assert verdict.passed
    assert verdict.reason.endswith("%, without an interval: 1 block)")
    assert verdict.metrics[0].verdict == "cannot tell"
    assert judge(paired(0.05, 0.4, days=1), Binary(), GATE).reason.startswith("not shown better")


def test_held_out_entities_are_the_weaker_proof() -> None:
    """Where there are no two blocks to tell apart, they decide as before, and the sentence says what that is worth."""
    patients = np.arange(ROWS) % 500
    for block in (None, np.full(ROWS, MARCH)):
        newest = replace(paired(0.4, 0.05, NEWEST), entity=patients, block=block)
        verdict = judge(newest, Binary(), GATE)
        assert verdict.passed
        assert "by held-out entities of the same days, the weaker proof (" in verdict.reason
        assert verdict.reason.endswith(", 500 entities)")
    assert judge(replace(newest, entity=None), Binary(), GATE).reason.endswith(", 4,000 rows)")


def test_the_proving_window_decides_where_there_is_one() -> None:
    """Held-out rows of the days that it learned from are shown, and neither pass nor refuse it."""
    verdict = judge(joined(paired(0.05, 0.4, NEWEST), paired(0.4, 0.05, seed=1)), Binary(), GATE)
    assert verdict.passed
    assert [m.dataset for m in verdict.metrics if m.metric == "log_loss"] == [PROVING, NEWEST]
    assert not verdict.harmful


def test_a_first_version_that_is_no_better_than_a_constant_is_told_from_one_that_is_worse() -> None:
    """The first may be promoted with a warning, the second not."""
    labels = paired(0.4, 0.05, NEWEST, days=20)
    constant = replace(labels, champion_prediction=np.full((ROWS, 1), labels.target.mean()))
    equal = judge(replace(constant, challenger_prediction=constant.champion_prediction), Binary(), GATE)
    assert (equal.passed, equal.harmful) == (False, False)
    assert equal.reason.startswith("not shown better")
    worse = judge(replace(constant, challenger_prediction=1 - labels.challenger_prediction), Binary(), GATE)
    assert (worse.passed, worse.harmful) == (False, True)
    assert worse.reason.startswith("shown worse")
    assert judge(constant, Binary(), GATE).passed


def test_one_patient_alone_gives_no_verdict() -> None:
    """However many rows there are of it."""
    alone = replace(paired(0.4, 0.05, NEWEST), entity=np.zeros(ROWS, "int64"))
    assert judge(alone, Binary(), GATE).reason == "cannot tell: all labelled rows that are new are of one entity"


@pytest.mark.parametrize("days", [1, 4])
def test_what_is_announced_is_made_of_the_change_its_error_and_the_blocks(days: int) -> None:
    """The gate hands over the point, the clustered error, which a single block has none of, and how many blocks."""
    asked = []

    def announce(point: float, error: float, blocks: int) -> Announcement:
        asked.append((point, error, blocks))
        return Announcement(point / 2, point, 0.0)

    verdict = judge(paired(0.4, 0.05, days=days), Binary(), GATE, announce=announce)
    ((point, error, blocks),) = asked
    assert (point, blocks) == (verdict.metrics[0].delta, days)
    assert (0 < error < abs(point)) if days > 1 else error == np.inf
    assert (verdict.announced, verdict.announced_low, verdict.announced_high) == (point / 2, point, 0.0)


def test_nothing_is_announced_of_what_cannot_be_told() -> None:
    """Too few rows make no promise; nor does a gate that is not given how to make one."""
    assert (
        judge(first(paired(0.4, 0.05), 50), Binary(), GATE, announce=lambda *_: Announcement(0, 0, 0)).announced is None
    )
    assert judge(paired(0.4, 0.05), Binary(), GATE).announced is None


@pytest.mark.parametrize(("rule", "passes"), [("better", True), ("proven", False), ("not worse", True)])
def test_the_rule_of_the_gate_decides_and_the_others_are_told(rule: str, passes: bool) -> None:
    """Four good days are better so far, and no proof; every rule has its say."""
    verdict = judge(paired(0.2, 0.19, days=4), Binary(), replace(GATE, rule=rule, min_gain=-0.1))
    assert verdict.passed is passes
    assert {r.rule: r.passed for r in verdict.rules} == {"better": True, "proven": False, "not worse": True}
    assert verdict.reason.startswith(next(r.reason for r in verdict.rules if r.rule == rule))


def test_earlier_looks_prove_a_line_of_challengers() -> None:
    """What four days cannot prove, these and the twenty before them can."""
    gate = replace(GATE, rule="proven")
    window = paired(0.4, 0.05)
    looks = [
        Look(day.item(), 1000, 0.6, 0.5 + 0.01 * (place % 3))
        for place, day in enumerate(MARCH - np.arange(20, 0, -1) * DAY)
    ]
    assert judge(window, Binary(), gate, looks=looks).passed
    assert not judge(paired(0.05, 0.4), Binary(), gate, looks=looks).passed
