"""A gate by the user's figures: what is named decides, and a rule that is broken is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from db.verdict_records import RuleVerdict
from errors import InvalidSpec
from evaluation.gate import NEWEST, PROVING, Paired, Verdict, judge
from evaluation.jackknife import jackknife
from evaluation.rules import RULES
from evaluation.speed import latency
from learning.objectives import Binary, Multiclass, Objective, Regression
from learning.spec import Cost, Gate, Rule

ROWS, DAYS = 6_000, 6
GATE = Gate(min_rows=100)
DAY = np.timedelta64(1, "D")
BLOCK = np.datetime64("2013-03-01", "us") + np.arange(ROWS) % DAYS * DAY
Floats = np.ndarray[Any, Any]


def events(too_much: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Events of 10 %, a champion that ranks them badly, and a challenger that ranks them well and says too much."""
    draw = np.random.default_rng(0)
    logit = draw.normal(-3, 1.5, ROWS)
    target = (draw.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(float)
    champion = 1 / (1 + np.exp(-0.4 * (logit + draw.normal(0, 1.5, ROWS)) + 1.0))
    return target, champion[:, None], 1 / (1 + np.exp(-logit - too_much))[:, None]


def paired(dataset: str = PROVING) -> Paired:
    """These rows, as a proving window of some days."""
    target, champion, challenger = events()
    return Paired(target, champion, challenger, np.full(ROWS, dataset), {}, block=BLOCK)


def rule(verdict: Verdict, name: str) -> RuleVerdict:
    """What one rule says."""
    return next(one for one in verdict.rules if one.rule == name)


def test_the_figure_that_is_named_decides() -> None:
    """By its log loss the challenger gains next to nothing; by its ranking, which the user asked for, much."""
    assert not judge(paired(), Binary(), replace(GATE, min_gain=0.01)).passed
    verdict = judge(paired(), Binary(), replace(GATE, metric="pr_auc"))
    assert verdict.passed
    first = verdict.metrics[0]
    assert (first.dataset, first.metric, first.verdict, first.blocks) == (PROVING, "pr_auc", "better", DAYS)
    assert verdict.reason.startswith(
        f"better so far: pr_auc {first.champion_value:.4f} to {first.challenger_value:.4f}"
    )
    assert first.challenger_value > first.champion_value
    assert "log_loss" in rule(verdict, "proven").reason
    names = [(m.dataset, m.slice, m.metric) for m in verdict.metrics]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["better", "not worse"])
def test_a_better_figure_does_not_pass_where_the_loss_is_shown_worse(name: Any) -> None:
    """The watch goes by the loss: it would roll back what was promoted, and the next run promote it again."""
    target, champion, challenger = events(too_much=1.7)
    both = replace(paired(), target=target, champion_prediction=champion, challenger_prediction=challenger)
    verdict = judge(both, Binary(), replace(GATE, metric="pr_auc", rule=name))
    assert not verdict.passed
    assert verdict.metrics[0].verdict == "better"
    assert verdict.reason.startswith("the loss is shown worse: log_loss ")
    assert "although " in verdict.reason


@pytest.mark.parametrize("metric", ["accuracy", "auc", "recall@0.05", "macro_f1", Cost(((0, 1), (9, 0)))])
def test_the_other_way_round_is_refused(metric: str | Cost) -> None:
    """Whichever way is better, a challenger and a champion that change places change the verdict."""
    both = paired()
    there, back = (
        both,
        replace(both, champion_prediction=both.challenger_prediction, challenger_prediction=both.champion_prediction),
    )
    gate = replace(GATE, metric=metric)
    verdicts = [judge(one, Binary(), gate) for one in (there, back)]
    assert sorted(verdict.passed for verdict in verdicts) == [False, True]
    refused = next(verdict for verdict in verdicts if not verdict.passed)
    assert refused.reason.startswith(("not shown better", "shown worse"))


def test_the_loss_by_its_name_is_the_default() -> None:
    """Verdict and figures are the same, bit by bit."""
    assert judge(paired(), Binary(), replace(GATE, metric="log_loss")) == judge(paired(), Binary(), GATE)


def mean_error(target: Floats, prediction: Floats) -> float:
    """A user's figure: less is better."""
    return float(np.abs(target - prediction).mean())


def unclear(target: Floats, prediction: Floats) -> float:
    """A user's figure of which the name says nothing."""
    return float((target - prediction).sum())


def failing_score(target: Floats, prediction: Floats) -> float:
    """A user's figure with a fault."""
    raise ZeroDivisionError


@pytest.mark.parametrize(("metric", "ends"), [("rmse", True), ("squared_error", True), (mean_error, False)])
def test_a_figure_that_cannot_be_negative_falls_by_all_of_it_at_most(metric: Any, ends: bool) -> None:
    """Of three unlike days chance alone would reach further; of a function of one's own nobody knows."""
    day = np.repeat(np.arange(3), 10)
    errors = np.array([0.1, 1.6, 0.1])[day]
    rows = Paired(np.zeros(30), np.full((30, 1), 2.0), errors[:, None], np.full(30, PROVING), {}, block=BLOCK[day])
    first = judge(rows, Regression(), Gate(metric=metric, min_rows=1)).metrics[0]
    assert first.ci_low is not None
    assert (first.ci_low == -1.0) == ends
    assert first.ci_low <= -1.0


def test_a_function_of_ones_own_decides() -> None:
    """Its name says which way is better; without that it may bound, and not decide; a fault in it is told as one."""
    verdict = judge(paired(), Binary(), replace(GATE, metric=mean_error))
    assert verdict.metrics[0].metric == "mean_error"
    assert verdict.metrics[0].ci_low is not None
    with pytest.raises(InvalidSpec, match="_score where more is better"):
        Gate(metric=unclear)
    assert rule(judge(paired(), Binary(), replace(GATE, also=(Rule(unclear, at_most=0),))), "unclear at most 0")
    with pytest.raises(InvalidSpec, match="mend the function"):
        judge(paired(), Binary(), replace(GATE, metric=failing_score))


BROKEN = [
    Rule("recall@0.01", at_least=0.4),
    Rule("flips", at_most=0.001),
    Rule("calibration_error", at_most=0.01),
    Rule(Cost(((0, 1), (9, 0))), at_most=0.1),
    Rule(unclear, at_least=1e9),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.name)
def test_a_rule_that_fails_alone_is_named(broken: Rule) -> None:
    """The others are kept, each with its figure; the challenger would have passed without that rule."""
    good = Rule("pr_auc", at_least=0.1), Rule("brier", at_most=0.9)
    verdict = judge(paired(), Binary(), replace(GATE, metric="auc", also=(*good, broken)))
    assert not verdict.passed
    assert verdict.blocked
    assert verdict.reason.startswith(f"rule '{broken.name}' broken: ")
    assert "although better so far: auc" in verdict.reason
    assert [one.rule for one in verdict.rules] == [*RULES, *(one.name for one in (*good, broken))]
    assert [one.passed for one in verdict.rules[3:]] == [True, True, False]
    assert "(champion 0." in verdict.rules[3].reason
    assert judge(paired(), Binary(), replace(GATE, metric="auc", also=good)).passed


def test_flips_are_rows_that_the_champion_had_right() -> None:
    """Counted by hand; one class or several."""
    target = np.array([0, 1, 2, 1] * 50, float)
    eye = np.eye(3)
    champion, challenger = eye[[0, 1, 2, 0] * 50], eye[[0, 1, 1, 1] * 50]
    rows = Paired(target, champion, challenger, np.full(200, NEWEST), {})
    verdict = judge(rows, Multiclass(3), Gate(also=(Rule("flips", at_most=0.2),)))
    assert rule(verdict, "flips at most 0.2").reason == "broken: 0.2500"


def test_a_ranking_of_one_class_cannot_be_told() -> None:
    """No value is no pass; and where rows are lacking, every rule says so."""
    none = replace(paired(), target=np.zeros(ROWS))
    gate = replace(GATE, min_events=0, metric="pr_auc", also=(Rule("auc", at_least=0.0),))
    verdict = judge(none, Binary(), gate)
    assert verdict.reason == "cannot tell: pr_auc has no value on the rows that are new"
    assert rule(verdict, "auc at least 0").reason.startswith("cannot tell: it has no value")
    few = judge(none, Binary(), replace(gate, min_events=20))
    assert {one.reason.split(":")[0] for one in few.rules} == {"cannot tell"}


def test_two_blocks_have_no_interval_by_a_figure_that_is_no_mean() -> None:
    """The point is told, and that nobody can tell how sure it is."""
    two = replace(paired(), block=BLOCK[np.arange(ROWS) % 2])
    verdict = judge(two, Binary(), replace(GATE, metric="pr_auc"))
    assert verdict.metrics[0].verdict == "cannot tell"
    assert "without an interval: 2 blocks" in verdict.reason


@pytest.mark.parametrize(
    ("objective", "bad", "why"),
    [
        (Binary(), Gate(metric="rmse"), "choose from accuracy"),
        (Regression(), Gate(metric="pr_auc"), "choose from absolute_error"),
        (Regression(), Gate(also=(Rule("flips", at_most=0.1),)), "no classes that could be right"),
        (Binary(), Gate(also=(Rule("recal@0.01", at_least=0.1),)), "or flips, or latency"),
        (Binary(), Gate(rule="proven", metric="auc"), "evidence goes on from run to run by log_loss"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_list(objective: Objective, bad: Gate, why: str) -> None:
    """When the spec is built; a function that cannot weigh rows is refused only where rows have weights."""
    with pytest.raises(InvalidSpec, match=why):
        bad.check_figures(objective, weighted=False)
    own = Gate(metric=mean_error)
    own.check_figures(objective, weighted=False)
    with pytest.raises(InvalidSpec, match="sample_weight"):
        own.check_figures(objective, weighted=True)


def test_a_rule_needs_a_bound_and_stands_once() -> None:
    """Neither is a matter of the model."""
    for bounds in ({}, {"at_least": 2.0, "at_most": 1.0}, {"at_most": float("nan")}):
        with pytest.raises(InvalidSpec, match="no bound that a figure could keep"):
            Rule("auc", **bounds)
    with pytest.raises(InvalidSpec, match="there twice"):
        Gate(also=(Rule("auc", at_least=0.5), Rule("auc", at_least=0.5)))


def test_latency_is_the_challengers_time_by_the_champions() -> None:
    """Above the bound it is broken, of the same layers it is 1, and of other columns nobody can tell."""
    bound = Rule("latency", at_most=1.5)
    broken = latency(bound, (0.3, 0.1), 100, timed=True)
    assert (broken.passed, broken.reason) == (False, "broken: 3 times the champion's, 3.00 ms a row by 1.00 ms")
    assert latency(bound, None, 100, timed=True).passed
    untimed = latency(bound, None, 100, timed=False)  # also in the next run: to refuse would be for ever
    assert untimed.passed
    assert untimed.reason.startswith("cannot tell: the champion takes other columns")


def test_a_jackknife_of_a_mean_is_the_interval_of_its_blocks() -> None:
    """Of equal blocks the error is that of their means; entities widen it, and rows alone do as they should."""
    draw = np.random.default_rng(1)
    days = np.repeat(np.arange(20), 50)
    values = draw.normal(0, 1, 1_000) + draw.normal(0, 1, 20)[days]
    found = jackknife(lambda kept: float(values[kept].mean()), 1_000, [days], 0.9)
    means = values.reshape(20, 50).mean(axis=1)
    assert found is not None
    assert found.error == pytest.approx(means.std(ddof=1) / np.sqrt(20))
    alone = jackknife(lambda kept: float(values[kept].mean()), 1_000, [], 0.9)
    assert alone is not None
    assert alone.error == pytest.approx(values.std() / np.sqrt(1_000), rel=0.3)
    people = draw.integers(0, 300, 1_000)
    both = jackknife(lambda kept: float(values[kept].mean()), 1_000, [days, people], 0.9)
    assert both is not None
    assert both.error >= found.error
    assert jackknife(lambda kept: float(kept.sum()), 1_000, [days % 2], 0.9) is None
