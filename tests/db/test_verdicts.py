"""Drift checks, evaluations and scores, as they are recorded and read back."""

from __future__ import annotations

import math
from dataclasses import replace
from unittest.mock import ANY

import pytest
from filled import MODEL, START, add_partition, add_version, three_champions

from db.registry import ModelRegistry
from db.verdict_records import (
    EvaluationMetric,
    EvaluationRecord,
    NewEvaluation,
    NewScores,
    RuleVerdict,
)
from errors import UnknownPartition, UnknownVersion

NEWEST = EvaluationMetric("newest", "", "log_loss", 100, 0.5, 0.4, -0.2, -0.3, -0.1, "better")
AUC = EvaluationMetric("newest", "", "auc", 100, math.nan, 0.7, math.nan, None, None, "shown")


def test_an_evaluation_keeps_the_order_of_its_figures(registry: ModelRegistry) -> None:
    """The figure that decided stays first; what could not be measured is NaN, an interval that is none is None."""
    three_champions(registry)
    run = registry.start_run(MODEL, trigger="by hand")
    number = registry.record_evaluation(NewEvaluation(run.id, MODEL, 3, 2, True, "better", (NEWEST, AUC)))

    (found,) = registry.evaluations(MODEL, 3)

    assert (found.id, found.challenger, found.champion, found.passed) == (number, 3, 2, True)
    assert repr(found.metrics) == repr((NEWEST, AUC))
    assert repr(registry.run_evaluations(run.id)) == repr((found,))
    assert registry.evaluations(MODEL, 2) == ()


def test_an_evaluation_keeps_what_was_announced_and_what_each_rule_said(registry: ModelRegistry) -> None:
    """Also which version a figure was measured against, where that is not the champion."""
    three_champions(registry)
    add_version(registry, parent=3)
    era = EvaluationMetric("era 1", "", "log_loss", 900, 0.3, 0.4, 0.3, 0.1, 0.5, "forgotten", 12, 310.5, against=1)
    rules = (RuleVerdict("better", False, "era 1 is forgotten"), RuleVerdict("always", True, "it follows the world"))
    new = NewEvaluation(None, MODEL, 4, 3, False, "better, but", (NEWEST, era), rules, -0.02, -0.05, 0.01, True, START)
    number = registry.record_evaluation(new)
    assert registry.evaluations(MODEL, 4) == (EvaluationRecord(**vars(new), id=number, at=ANY),)


def test_the_verdicts_on_a_models_versions_are_listed_newest_first(registry: ModelRegistry) -> None:
    """All of them, or the last few; those on other models' versions are not among them."""
    three_champions(registry)
    registry.add_model("digits")
    add_version(registry, model="digits")
    registry.record_evaluation(NewEvaluation(None, "digits", 1, None, True, "of digits", (NEWEST,)))
    for number, reason in ((2, "first"), (3, "second"), (2, "third")):
        registry.record_evaluation(NewEvaluation(None, MODEL, number, 1, True, reason, (NEWEST, AUC)))

    found = registry.model_evaluations(MODEL)

    assert [(one.reason, one.challenger, len(one.metrics)) for one in found] == [
        ("third", 2, 2),
        ("second", 3, 2),
        ("first", 2, 2),
    ]
    assert [one.reason for one in registry.model_evaluations(MODEL, 1)] == ["third"]


def test_the_first_version_is_judged_without_a_champion(registry: ModelRegistry) -> None:
    """There was none to beat, and the record says so."""
    add_version(registry)
    registry.record_evaluation(NewEvaluation(None, MODEL, 1, None, True, "better than a constant", (NEWEST,)))
    assert registry.evaluations(MODEL, 1)[0].champion is None


def test_the_list_of_versions_shows_the_newest_verdict(registry: ModelRegistry) -> None:
    """After a conflict a challenger is judged again; what counts is the last time."""
    three_champions(registry)
    add_version(registry, parent=3)
    registry.record_evaluation(NewEvaluation(None, MODEL, 4, 2, True, "better", (NEWEST, AUC)))
    registry.record_evaluation(NewEvaluation(None, MODEL, 4, 3, False, "not proven better", (AUC, NEWEST)))

    newest, champion, *_ = registry.versions(MODEL)

    assert (newest.number, newest.passed, newest.against, newest.reason) == (4, False, 3, "not proven better")
    assert math.isnan(newest.delta)
    assert (newest.metric, newest.value) == ("auc", 0.7)
    assert (champion.metric, math.isnan(champion.value)) == (None, True)
    assert (champion.number, champion.champion, champion.passed) == (3, True, None)


def test_an_evaluation_of_nobody_is_refused(registry: ModelRegistry) -> None:
    """Nothing of it is kept."""
    add_version(registry)
    with pytest.raises(UnknownVersion):
        registry.record_evaluation(NewEvaluation(None, MODEL, 1, 9, True, "?", (NEWEST,)))
    with pytest.raises(UnknownVersion, match="version 8"):
        registry.record_evaluation(NewEvaluation(None, MODEL, 1, None, True, "?", (replace(NEWEST, against=8),)))
    assert registry.evaluations(MODEL, 1) == ()


def test_the_first_score_of_a_version_on_a_partition_stands(registry: ModelRegistry) -> None:
    """A run that is repeated after a crash measures the same; the record is not doubled."""
    three_champions(registry)
    add_partition(registry, "p4", 4)
    run = registry.start_run(MODEL, trigger="by hand")
    registry.record_scores(MODEL, 3, [NewScores("p4", 90, {"log_loss": 0.5, "auc": math.nan})], run.id)
    registry.record_scores(MODEL, 3, [NewScores("p4", 90, {"log_loss": 0.1, "accuracy": 0.9})])
    registry.record_scores(MODEL, 1, [NewScores("p2", 80, {"log_loss": 0.6})])

    found = [(s.number, s.partition, s.metric, s.value, s.rows, s.run_id) for s in registry.scores(MODEL)]

    assert found[0] == (1, "p2", "log_loss", 0.6, 80, None)
    assert found[1] == (3, "p4", "accuracy", 0.9, 90, None)
    assert found[3] == (3, "p4", "log_loss", 0.5, 90, run.id)
    assert math.isnan(found[2][3])


def test_a_score_on_an_unknown_partition_is_refused(registry: ModelRegistry) -> None:
    """The error names the digest."""
    three_champions(registry)
    with pytest.raises(UnknownPartition, match="nowhere"):
        registry.record_scores(MODEL, 3, [NewScores("nowhere", 90, {"log_loss": 0.5})])
