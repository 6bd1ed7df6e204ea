"""What a backtest advises: less often where that is true, and nothing where nobody can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from replayed import ROWS, drifting, replay, steady, usual, when

from evaluation.advice import advise
from evaluation.backtest_report import report
from evaluation.backtests import Backtest, BlockScore, PolicyResult
from evaluation.policy_figures import beside_oracle, figures, marks, prices
from evaluation.policy_losses import PolicyLosses, policy_losses, shown_worse


def turned(week: int, trained_at: int) -> float:
    """A world that turns in week 21: who learned before it knows nothing of what comes after."""
    return 0.5 + 0.3 * (week > 21 > trained_at)


def slow(week: int, trained_at: int) -> float:
    """A world that moves so slowly that a week of age costs 0.0002."""
    return 0.5 + 0.0002 * (week - trained_at)


def noisy(backtest: Backtest, spread: float) -> Backtest:
    """The same, but each policy has luck of its own, which lasts for days."""
    policies = []
    for seed, one in enumerate(backtest.policies):
        draw = np.random.default_rng(seed)
        luck, found = 0.0, []
        for score in one.scores:
            luck = 0.8 * luck + draw.normal(0, spread)
            found.append(replace(score, loss=score.loss + luck))
        policies.append(replace(one, scores=tuple(found)))
    return replace(backtest, policies=tuple(policies))


def test_it_says_never_where_age_costs_nothing() -> None:
    """In a world that does not change, a retrain is worth nothing, and a person reads it in a sentence."""
    found = advise(replay(steady, usual()))
    assert (found.policy, found.word) == ("never", "never")
    assert found.sentence.startswith("Do not retrain (never)")
    assert "not proven on 280 blocks" in found.sentence


def test_a_policy_that_only_had_no_alarm_is_not_called_never() -> None:
    """It would retrain when the world turns: whoever took the schedule out for it would not see that."""
    backtest = replay(steady, usual())
    calm = tuple(
        replace(one, policy="monitoring", overrides={"retrain.when": "performance,drift"})
        if one.policy == "never"
        else one
        for one in backtest.policies
    )
    found = advise(replace(backtest, policies=calm))
    assert (found.policy, found.word) == ("monitoring", "less often")


def test_a_dearer_retrain_is_advised_less_often() -> None:
    """The sentence has the share of the gain that is kept, for which share of the retrains."""
    cheap, dear = (advise(replay(drifting, usual()), price) for price in (1.0, 30.0))
    assert (cheap.policy, cheap.word) == ("weekly", "keep")
    assert (dear.policy, dear.word) == ("four-weekly", "less often")
    assert "keeps 92% of what weekly gains over never retraining (between" in dear.sentence
    assert "for 25% of its retrains (10 and 40)" in dear.sentence
    assert "comes to" in dear.sentence


def test_at_any_price_it_is_the_policy_of_least_total() -> None:
    """What is advised at a price is what is cheapest at it, loss and retrains together, and a tie changes nothing."""
    backtest = replay(slow, usual())
    losses = policy_losses(backtest)
    for price in prices(backtest, losses, None):
        totals = {one.policy: figures(one, losses).total(price) for one in backtest.policies}
        assert totals[advise(backtest, price).policy] == min(totals.values())
    same = replay(steady, {"weekly": range(1, 41), "other": range(1, 41)})
    assert advise(same, 1.0).word == advise(same).word == "keep"


def test_one_turn_of_the_world_is_no_proof_that_waiting_costs_nothing() -> None:
    """A single bad month is one observation: that nobody has proven the loss is no reason to accept it."""
    backtest = replay(turned, {"weekly": range(1, 41), "twelve-weekly": range(12, 41, 12)})
    losses = policy_losses(backtest)
    assert "twelve-weekly" not in shown_worse(losses, ["weekly", "twelve-weekly"])
    assert advise(backtest).policy == "weekly"


def test_who_is_shown_to_keep_nearly_all_of_the_gain_is_as_good() -> None:
    """A hair's breadth is proven where all meet the same days; nobody has to retrain four times as often for it."""
    found = advise(replay(lambda week, at: 0.5 + 0.0001 * (week - at) + 0.2 * (week - at > 6), usual()))
    assert (found.policy, found.word) == ("four-weekly", "less often")
    assert "its loss is higher than that of weekly is proven" in found.sentence


def test_it_says_that_it_cannot_tell_of_a_week() -> None:
    """Seven days, or a single policy, are nothing to advise by: the present policy stays."""
    for backtest in (replay(drifting, usual(1), weeks=1), replay(drifting, {"weekly": [1, 2]})):
        found = advise(backtest, 5.0)
        assert (found.policy, found.word, found.remarks) == ("weekly", "cannot tell", ())


def test_luck_of_many_policies_is_not_taken_for_skill() -> None:
    """Ten equally good policies have luck that lasts for days; each is called worse no more often than said."""
    draw, named = np.random.default_rng(1), 0
    blocks = tuple(when(1, day) for day in range(280))
    for _ in range(20):
        luck = draw.normal(0, 0.02, (10, 280))
        for day in range(1, 280):
            luck[:, day] += 0.7 * luck[:, day - 1]
        losses = PolicyLosses(blocks, np.full(280, 100.0), {f"{number}": one for number, one in enumerate(1 + luck)})
        named += len(shown_worse(losses, losses.of))
    assert named / 200 <= 0.1


def test_what_is_really_worse_is_named_beside_the_better_one() -> None:
    """Where age costs much, who never retrains is shown worse, whatever the luck."""
    backtest = noisy(replay(drifting, usual()), 0.02)
    assert shown_worse(policy_losses(backtest), ["weekly", "never"]) == {"never": "weekly"}


def test_a_policy_without_a_gate_is_never_advised() -> None:
    """No model can have it; that it does better is said, since then the gate refuses what is good."""
    backtest = replay(drifting, {"weekly": range(4, 41, 4), "never": (), "always": range(1, 41)})
    never, gate = {"retrain.when": ""}, {"gate": "off"}
    policies = tuple(replace(one, overrides=gate if one.policy == "always" else never) for one in backtest.policies)
    found = advise(replace(backtest, policies=policies))
    assert found.policy == "weekly"
    assert any("always, which has no gate, has a loss" in one for one in found.remarks)


def test_a_model_that_loses_to_a_constant_is_told() -> None:
    """Whoever asks when to retrain learns that there is nothing worth retraining."""
    backtest = replay(lambda week, trained_at: drifting(week, trained_at) + 0.5, usual())
    assert any("'constant' loses no more" in one for one in advise(backtest).remarks)


def test_the_first_half_is_tried_on_the_second() -> None:
    """What the rule would have advised in time is told, and what came of it."""
    (found,) = (one for one in advise(replay(drifting, usual()), 30.0).remarks if "first half" in one)
    assert "the advice would have been four-weekly; in the second half its loss was +" in found


def test_no_policy_is_far_below_the_exact_plan() -> None:
    """At every price, the plan that knew what came costs no more than any policy over the same versions."""
    backtest = replay(slow, usual())
    losses = policy_losses(backtest)
    found = [figures(one, losses) for one in backtest.policies]
    beside = beside_oracle(backtest, found, prices(backtest, losses, 5.0))
    assert len(beside) == 9
    assert beside[0].plan.price == pytest.approx(0.5)
    assert beside[-1].plan.price == pytest.approx(50.0)
    assert all(above > -1e-9 for one in beside for above in one.above.values())
    assert [len(one.plan.retrains) for one in beside] == sorted(
        (len(one.plan.retrains) for one in beside), reverse=True
    )


def test_a_policy_that_once_predicted_no_number_is_the_worst() -> None:
    """One block without a finite loss is worse than any other history, and the report goes on."""
    backtest = replay(drifting, usual())
    weekly = backtest.policy("weekly")
    broken = replace(weekly, scores=(replace(weekly.scores[0], loss=float("nan")), *weekly.scores[1:]))
    backtest = replace(backtest, policies=(broken, *backtest.policies[1:]))
    for price in (None, 1.0):
        seen = report(backtest, price)
        assert (seen.advice.policy, seen.compared.worse["weekly"]) == ("four-weekly", "four-weekly")


def test_a_block_in_parts_counts_once_and_what_one_lacks_for_none() -> None:
    """Rows of a day that came late are of that day; a day that a policy was not scored on compares nothing."""
    parts = (BlockScore(when(1, 0), 30, 0.2, 1), BlockScore(when(1, 0), 10, 0.6, 2), BlockScore(when(1, 1), 0, 0.0, 2))
    other = (BlockScore(when(1, 0), 40, 0.4, 1), BlockScore(when(1, 2), ROWS, 9.0, 1))
    policies = tuple(PolicyResult(name, {}, scores, ()) for name, scores in (("weekly", parts), ("never", other)))
    found = policy_losses(Backtest("shop", "weekly", policies, {}, ()))
    assert found.blocks == (when(1, 0),)
    assert found.mean("weekly") == pytest.approx(0.3)
    assert found.mean("never") == pytest.approx(0.4)


def test_what_happened_is_read_from_the_steps() -> None:
    """Promotions, refusals and rollbacks, also of a run that needs attention, and two at one step."""
    step = replay(drifting, {"weekly": [1]}).policies[0].steps[0]
    told = [
        step,
        replace(step, outcome="rejected", version=None),
        replace(step, outcome="needs attention", version=None, decision_reason="stuck: no. Needs attention (1): x"),
        replace(step, version=1),
        replace(
            step,
            outcome="needs attention",
            version=3,
            decision_reason="promoted: yes. Needs attention (1): rolled back to version 1: worse",
        ),
    ]
    kinds = [kind for kind, _ in marks(told)]
    assert kinds == ["promotion", "refusal", "refusal", "rollback", "rollback", "promotion"]


def test_the_present_policy_is_called_so_in_a_sentence() -> None:
    """Its name in a table is "present"; a person reads "the present policy"."""
    plans = {"present" if name == "weekly" else name: plan for name, plan in usual().items()}
    found = advise(replay(drifting, plans, present="present"), 30.0)
    assert "92% of what the present policy gains over never retraining" in found.sentence
    assert "beside that of the present policy" in " ".join(found.remarks)
