"""The page about a verdict: what whoever answers for it has to find, in a file that asks nobody for anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from arriving import new_registry
from filled import MODEL, START, add_partition, add_version, promote, three_champions
from typer.testing import CliRunner
from well_formed import well_formed

from cli.main import app
from db.records import EpochMetric
from db.registry import ModelRegistry
from db.verdict_records import DriftColumn, EvaluationCurve, EvaluationMetric, NewDriftCheck, NewEvaluation, RuleVerdict
from errors import RegistryError, UnknownVersion
from evaluation.curves import curves
from evaluation.gate import PROVING, Paired
from learning.objectives import Binary, Regression
from monitoring.verdict_facts import judged
from monitoring.verdict_page import verdict_page
from settings import Settings

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m ftp://me:s/ecret@host/ $\\frac$ \"'&"
ERA = "2013-01-01 to 2013-02-28"
METRICS = (
    EvaluationMetric(PROVING, "", "log_loss", 900, 0.5, 0.45, -0.1, -0.15, -0.05, "better", 7, 300.0),
    EvaluationMetric(PROVING, "", "auc", 900, 0.7, 0.75, 0.05, None, None, "shown"),
    EvaluationMetric(PROVING, "", "squared_error", 900, 4159443849.8927, 4.1e9, -0.01, None, None, "shown"),
    EvaluationMetric(ERA, "", "log_loss", 400, 0.4, 0.41, 0.02, -0.02, 0.06, "kept", 20, 90.0, against=1),
    EvaluationMetric("all", "origin=JFK", "log_loss", 300, 0.4, 0.6, 0.5, 0.3, 0.7, "harmed", 20, 90.0),
    EvaluationMetric("all", "origin=LGA", "log_loss", 9, 0.4, 0.3, -0.2, None, None, "cannot tell"),
)
RULES = (
    RuleVerdict("better", True, "better so far: log_loss 0.5000 to 0.4500"),
    RuleVerdict("recall@0.01", False, "0.41, at least 0.5 is asked for"),
    RuleVerdict("latency", False, "cannot tell: it was not measured"),
)


def checked(page: str) -> str:
    """The page, once it is known to be well-formed and to ask nobody for anything."""
    well_formed(page)
    assert not re.search(r"https?://|url\(|@import|@font-face|nan", page)
    return page


def drawn_curves(objective: Binary | Regression) -> tuple[EvaluationCurve, ...]:
    """Curves of two versions, as an evaluation makes them."""
    draw = np.random.default_rng(0)
    truth = draw.uniform(0.1, 0.9, 900)
    target = (draw.random(900) < truth).astype(float)
    champion = np.clip(truth + draw.normal(0, 0.3, 900), 0, 1)
    return curves(Paired(target, champion[:, None], truth[:, None], np.full(900, PROVING), {}), objective)


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """Three champions, of which the third's challenger was just judged."""
    with new_registry(home.home / "registry.db") as registry:
        registry.add_model(MODEL)
        three_champions(registry)
        yield registry


def judge(registry: ModelRegistry, objective: Binary | Regression, reason: str = "harmed on origin=JFK") -> int:
    """Version 4, trained and refused; returns its run."""
    run = registry.start_run(MODEL, trigger="by hand").id
    column = DriftColumn("delay", "wasserstein", 0.3, 0.1, drifted=True, broken=True)
    registry.record_drift(NewDriftCheck(run, MODEL, 3, True, 1.0, "1 column broken", "drift.html", (column,)))
    add_partition(registry, "p4", day=4)
    epochs = tuple(
        EpochMetric("head", e, name, 0.5 + 0.01 * e) for e in (1, 2, 3) for name in ("loss", "val_loss", "val_auc")
    )
    plan = {"kind": "FineTune", "stages": [{"name": "head"}], "made_for": {"builders": {"build_base": "ab" * 32}}}
    plan["fitted"] = {"threshold": {"at": 0.1}}
    more = {"run_id": run, "plan": plan, "environment": {"keras": "3.15"}, "reason": "3 epochs", "epochs": epochs}
    add_version(registry, parent=3, trained=["p4"], **more)
    new = NewEvaluation(run, MODEL, 4, 3, False, reason, METRICS, RULES, -0.03, -0.08, 0.02, True, START)
    registry.record_evaluation(new, drawn_curves(objective))
    return run


def test_a_reader_finds_all_that_was_decided_and_why(registry: ModelRegistry) -> None:
    """The sentence, each rule with its word, each interval, each curve, and where the version comes from."""
    judge(registry, Binary())
    page = checked(verdict_page(judged(registry, MODEL), "3 of 4 held"))
    for said in (
        "<title>flights: version 4 against version 3</title>",
        "Refused</b>: harmed on origin=JFK",
        "-3.0% for what comes next, between -8.0% and +2.0%",
        "3 of 4 held",
        '<th scope="row">better</th><td>pass</td>',
        '<th scope="row">recall@0.01</th><td><span class="alarm">fail</span></td><td>0.41, at least 0.5 is asked for',
        '<th scope="row">latency</th><td>cannot tell</td>',
        '<th scope="row">nothing forgotten</th><td>pass</td><td>no harm is shown on 1 era',
        "harm is shown on 1 of 2 slices, most on origin=JFK; 1 cannot tell",
        "-15.0% to -5.0%",
        "4,159,443,850",
        "against version 1",
        "Calibration:",
        "Precision and recall:",
        "3 epochs; the loss ends at 0.53",
        "1 column broken",
        "4 ← 3 ← 2 ← 1",
        "build_base <code>abababababab</code>",
        "keras 3.15",
        "stages.0.name",
    ):
        assert said in page, said
    assert "fitted." not in page  # as the sentence about the threshold has it
    assert page.count('class="axes"') == 3
    assert len(page.encode()) < 100_000


def test_numbers_are_drawn_by_their_residuals(registry: ModelRegistry) -> None:
    """A regression has no calibration."""
    judge(registry, Regression())
    page = checked(verdict_page(judged(registry, MODEL)))
    assert "Residuals: target less prediction" in page
    assert "Quantiles 1 to 99 %" in page
    assert "Calibration" not in page


def test_a_page_is_the_same_text_every_time_and_light_or_dark(registry: ModelRegistry) -> None:
    """Its colours are the style sheet's, so that a plot can be read on either paper."""
    judge(registry, Binary())
    seen = judged(registry, MODEL)
    page = verdict_page(seen)
    assert page == verdict_page(seen)
    plots = re.findall(r'<svg class="axes".*?</svg>', page, re.DOTALL)
    assert all(set(re.findall(r"(?:fill|stroke): ([^;\"]+)", plot)) <= {
        "none", "var(--line)", "var(--soft)", "var(--blue)", "var(--band)"} for plot in plots)  # fmt: skip
    assert not any(" id=" in plot for plot in plots)


def test_another_figure_than_the_loss_may_decide(registry: ModelRegistry) -> None:
    """It is told by itself, since more of it may be better; eras and slices stand by their loss."""
    run = judge(registry, Binary())
    auc = EvaluationMetric(PROVING, "", "pr_auc", 900, 0.3, 0.36, 0.2, 0.1, 0.3, "better", 7)
    registry.record_evaluation(NewEvaluation(run, MODEL, 4, 3, True, "better so far", (auc, *METRICS), RULES))
    page = checked(verdict_page(judged(registry, MODEL)))
    assert (
        "What decides is pr_auc on the proving window, 0.3 to 0.36 (+20.0%, between +10.0% and +30.0%): better" in page
    )
    assert "Change of the mean log_loss" in page
    assert "harm is shown on 1 of 2 slices" in page


def test_what_came_of_a_promotion_is_there(registry: ModelRegistry) -> None:
    """Of the refit, too: whoever asks for it is shown how its proof was judged."""
    judge(registry, Binary())
    add_version(registry, parent=3, trained=["p4"], refit_of=4, metrics={"loss": 1.0})
    promote(registry, 5)
    page = verdict_page(judged(registry, MODEL, 5), "")
    assert "version 4 against version 3" in page
    assert "as version 5, its refit on all that was pending" in page
    assert "not known yet" in page
    assert "<dd>since " in page
    registry.promote(MODEL, 3, seen=registry.sequence(MODEL), kind="rollback", actor="watch", reason="worse")
    page = verdict_page(judged(registry, MODEL, 5), "")
    assert "its refit on all that was pending (promote by test); then version 3 (rollback by watch)" in page


def test_nothing_that_data_hold_becomes_markup(registry: ModelRegistry) -> None:
    """Names of slices, reasons, places: text, short, without secrets; thousands of slices are a few lines."""
    run = judge(registry, Binary(), HOSTILE)
    thousands = tuple(
        EvaluationMetric("all", f"city={HOSTILE}{n}", "log_loss", 90, 0.4, 0.4, n / 9e4, n / 1e5, n / 1e4, "kept", 9)
        for n in range(5_000)
    )
    registry.record_evaluation(NewEvaluation(run, MODEL, 4, 3, False, HOSTILE, (*METRICS, *thousands), RULES))
    page = checked(verdict_page(judged(registry, MODEL), HOSTILE))
    assert "&lt;script&gt;" in page
    assert "ecret" not in page
    assert "\x1b" not in page
    assert "4,962 more slices are not shown; harm is shown on 0 of them" in page
    assert "judged before" in page
    assert page.index("origin=JFK</th>") < page.index("city=")
    assert len(page.encode()) < 150_000


def test_the_command_writes_the_page_of_the_newest_verdict(registry: ModelRegistry, home: Settings) -> None:
    """Or of a version's; one that nobody judged, or that is not there, is a clear error."""
    judge(registry, Binary())
    promote(registry, 1)
    result = CliRunner().invoke(app, ["registry", "report", MODEL])
    path = home.verdict_page(MODEL, 4)
    assert result.output == f"written to {path}\n"
    assert "version 4 against version 3" in checked(path.read_text())
    mine = Path(home.home / "mine.html")
    assert CliRunner().invoke(app, ["registry", "report", MODEL, "4", "--out", str(mine)]).exit_code == 0
    assert mine.exists()
    for number, error in (("2", RegistryError), ("9", UnknownVersion)):
        assert isinstance(CliRunner().invoke(app, ["registry", "report", MODEL, number]).exception, error)
