"""`evergreen registry`, `evergreen db` and `evergreen gc`, as people and programs call them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from arriving import new_registry
from filled import MODEL, START, add_partition, add_version, three_champions
from sqlalchemy import text
from typer.testing import CliRunner

from cli.main import app
from db.engine import open_engine
from db.records import EpochMetric, RunEnding
from db.registry import ModelRegistry, open_registry
from db.schema import migrate
from db.verdict_records import BlockLoss, DriftColumn, EvaluationMetric, NewDriftCheck, NewEvaluation, RuleVerdict
from errors import EvergreenError, NoChampion, RegistryOutdated, UnknownModel, UnknownVersion
from settings import Settings

RUNNER = CliRunner()


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """The registry that the settings name: three champions, a rejected challenger with metrics, a drift check."""
    with new_registry(home.home / "registry.db") as registry:
        registry.add_model(MODEL)
        three_champions(registry)
        run = registry.start_run(MODEL, trigger="by hand")
        registry.record_drift(
            NewDriftCheck(
                run.id, MODEL, 3, True, 1.0, "speed drifted", None, (DriftColumn("speed", "w", 0.3, 0.1, True),)
            )
        )
        add_version(registry, parent=3, run_id=run.id, metrics={"log_loss": 0.6, "auc": float("nan")})
        loss = EvaluationMetric("newest", "", "log_loss", 1000, 0.5, 0.6, 0.2, 0.1, 0.3, "worse")
        registry.record_evaluation(NewEvaluation(run.id, MODEL, 4, 3, False, "not proven better", (loss,)))
        registry.finish_run(run.id, RunEnding("rejected", "retrain", "not proven better"))
        yield registry


def run(*words: str) -> str:
    """Run a command that must succeed; returns what it printed."""
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def run_json(*words: str) -> object:
    """The same with --json."""
    return json.loads(run(*words, "--json"))


def error_of(*words: str) -> EvergreenError:
    """Run a command that must fail with an error of ours, which cli.main prints as one line."""
    result = RUNNER.invoke(app, words)
    assert isinstance(result.exception, EvergreenError), result.output
    return result.exception


def test_champion(registry: ModelRegistry) -> None:
    """Which, since when, by whom and why."""
    shown = run("registry", "champion", MODEL)
    assert "flights: version 3" in shown
    assert "promote by test" in shown
    assert "it is better" in shown
    answer = run_json("registry", "champion", MODEL)
    assert isinstance(answer, dict)
    assert (answer["version"]["number"], answer["promotion"]["sequence"]) == (3, 3)


def test_champion_at_an_instant(registry: ModelRegistry) -> None:
    """History answers, and says so if nobody was in production."""
    assert "version 3" in run("registry", "champion", MODEL, "--at", "2999-12-31T08:00:00")
    assert "nothing was in production then" in run("registry", "champion", MODEL, "--at", "1999-12-31")
    nobody = {"version": None, "promotion": None, "tainted": False}
    assert run_json("registry", "champion", MODEL, "--at", "1999-12-31") == nobody


def test_a_tainted_champion_is_said_to_be_one(registry: ModelRegistry) -> None:
    """Whoever asks what is in production learns that it should not be."""
    registry.recall(MODEL, "p2", reason="wrong zone", actor="me")
    assert "learned from recalled data" in run("registry", "champion", MODEL)
    answer = run_json("registry", "champion", MODEL)
    assert isinstance(answer, dict)
    assert answer["tainted"] is True


def test_versions(registry: ModelRegistry) -> None:
    """The champion is marked, verdict and change are shown, and a metric can order the list."""
    lines = run("registry", "versions", MODEL).splitlines()
    assert "rejected" in lines[1]
    assert "+20.0%" in lines[1]
    assert lines[2].startswith("*")
    assert len(lines) == 5
    answer = run_json("registry", "versions", MODEL, "--by", "log_loss", "--limit", "1")
    assert isinstance(answer, list)
    assert [(line["number"], line["value"], line["passed"]) for line in answer] == [(4, 0.6, False)]


def test_show(registry: ModelRegistry) -> None:
    """Files, figures and verdicts of one version; NaN is null for programs."""
    shown = run("registry", "show", MODEL, "4")
    assert "rejected against version 3: not proven better" in shown
    assert "+10.0% to +30.0%" in shown
    answer = run_json("registry", "show", MODEL, "4")
    assert isinstance(answer, dict)
    assert answer["version"]["metrics"] == {"auc": None, "log_loss": 0.6}


def test_show_says_how_the_training_went(registry: ModelRegistry) -> None:
    """The sentence of the training, for people, for programs and in SQL."""
    sentence = "no epoch was better than the start"
    add_version(registry, parent=3, reason=sentence)
    assert sentence in run("registry", "show", MODEL, "5")
    answer = run_json("registry", "show", MODEL, "5")
    assert isinstance(answer, dict)
    assert answer["version"]["reason"] == sentence


def test_show_says_what_was_announced_and_what_each_rule_said(registry: ModelRegistry) -> None:
    """With the proving window, the effective rows of a figure, and the version that it was measured against."""
    era = EvaluationMetric("era 1", "", "log_loss", 900, 0.3, 0.4, 0.3, 0.1, 0.5, "forgotten", 12, 310.5, against=1)
    rules = (RuleVerdict("better", False, "era 1 is forgotten"), RuleVerdict("not worse", True, "follows the world"))
    registry.record_evaluation(
        NewEvaluation(None, MODEL, 3, 2, False, "better, but", (era,), rules, -0.02, -0.05, 0.01, True, START)
    )
    shown = run("registry", "show", MODEL, "3")
    for said in (
        "version 3 rejected against version 2: better, but",
        "its proving window begins 2013-01-01 00:00:00 UTC",
        "announced for what comes next: -2.0% (-5.0% to +1.0%)",
        "it was better on what is new, and refused for what it does elsewhere",
    ):
        assert said in shown
    lines = [re.split(r"\s{2,}", line.strip()) for line in shown.splitlines()]
    assert ["not worse", "passes", "follows the world"] in lines
    assert lines[-2][3:5] == ["blocks", "effective rows"]
    assert lines[-1][3:5] == ["12", "310"]
    assert lines[-1][-2:] == ["1", "forgotten"]
    assert "effective rows" not in run("registry", "show", MODEL, "4")  # judged before such figures were kept


@pytest.fixture
def refit(registry: ModelRegistry) -> ModelRegistry:
    """The registry with a proof, version 5, which passed, and version 6, its refit."""
    add_partition(registry, "p4", 4)
    add_version(registry, parent=3, partly=("p4",))
    registry.record_evaluation(NewEvaluation(None, MODEL, 5, 3, True, "better so far", ()))
    add_version(registry, parent=3, trained=["p4"], refit_of=5)
    return registry


def test_a_refit_names_its_proof(refit: ModelRegistry) -> None:
    """Whoever looks at the one finds the other, and the verdict that both rest on."""
    newest = run("registry", "versions", MODEL).splitlines()[1]
    assert "refit of 5" in newest
    shown = run("registry", "show", MODEL, "6")
    assert "version 5, its proof, which was judged" in shown
    assert "version 5 passed against version 3: better so far" in shown
    shown = run("registry", "show", MODEL, "5")
    assert "version 6, on all rows that were pending" in shown
    assert "300 rows in 3 partitions, ancestors included; older rows of 1 more, whose newer ones prove it" in shown
    answer = run_json("registry", "show", MODEL, "5")
    assert isinstance(answer, dict)
    assert (answer["refit"], [p["digest"] for p in answer["partly"]]) == (6, ["p4"])
    assert "older rows only" in run("registry", "lineage", MODEL, "5").splitlines()[1]
    assert "older rows only" not in run("registry", "lineage", MODEL, "6")


def test_a_proof_that_is_promoted_by_hand_is_said_to_be_one(refit: ModelRegistry) -> None:
    """It is allowed; the hint names its refit, apart from what a program reads."""
    done = RUNNER.invoke(app, ["registry", "promote", MODEL, "5", "--reason", "I know better", "--json"])
    assert json.loads(done.stdout)["number"] == 5
    assert "version 6, its refit, has" in done.stderr
    assert "evergreen registry promote flights 6" in done.stderr
    assert RUNNER.invoke(app, ["registry", "promote", MODEL, "6", "--reason", "the refit"]).stderr == ""


def test_promises(registry: ModelRegistry) -> None:
    """A line a promotion, and how many of those promises held that can be told."""
    assert run("registry", "promises", MODEL).splitlines()[-1] == "whether any held is not known yet"
    for number, parent, change, came in ((5, 3, -0.10, 0.45), (6, 5, -0.04, 0.6)):
        add_version(registry, parent=parent)
        new = NewEvaluation(None, MODEL, number, parent, True, "better so far", (), (), change, change - 0.1, 0.01)
        registry.promote(
            MODEL,
            number,
            seen=registry.sequence(MODEL),
            kind="promote",
            actor="gate",
            reason="better so far",
            evaluation_id=registry.record_evaluation(new),
        )
        arrived = add_partition(registry, f"p{number}", number)
        for one, loss in ((parent, 0.5), (number, came)):
            registry.record_block_losses(
                MODEL, one, [BlockLoss(arrived.digest, arrived.time_from, 1234, loss)], proving=False
            )
    lines = run("registry", "promises", MODEL).splitlines()
    assert [re.split(r"\s{2,}", line.strip()) for line in lines[-3:]] == [
        ["4", "5", "-10.0%", "-20.0% to +1.0%", "-10.0%", "yes", "1,234", "1"],
        ["5", "6", "-4.0%", "-14.0% to +1.0%", "+20.0%", "no", "1,234", "1"],
        ["1 of 2 held; announced -7.0% on average, came +5.0%"],
    ]
    answer = run_json("registry", "promises", MODEL)
    assert isinstance(answer, list)
    assert [(line["number"], line["predecessor"], line["held"]) for line in answer] == [
        (2, 1, None),
        (3, 2, None),
        (5, 3, True),
        (6, 5, False),
    ]


def test_curves(registry: ModelRegistry) -> None:
    """A line an epoch, a column a figure; what an epoch did not measure stays empty."""
    points = [
        ("head", 1, "loss", 0.7),
        ("head", 1, "val_loss", 0.8),
        ("head", 2, "loss", 0.6),
        ("thaw", 1, "loss", 0.5),
    ]
    add_version(registry, parent=3, epochs=tuple(EpochMetric(*point) for point in points))
    lines = [line.split() for line in run("registry", "curves", MODEL, "5").splitlines()]
    assert lines == [
        ["stage", "epoch", "loss", "val_loss"],
        ["head", "1", "0.7", "0.8"],
        ["head", "2", "0.6"],
        ["thaw", "1", "0.5"],
    ]
    answer = run_json("registry", "curves", MODEL, "5")
    assert isinstance(answer, list)
    assert answer[0] == {"stage": "head", "epoch": 1, "name": "loss", "value": 0.7}
    assert "no learning curve of version 4" in run("registry", "curves", MODEL, "4")


def test_json_of_instants_and_of_what_is_no_number(registry: ModelRegistry) -> None:
    """Programs get ISO 8601 in UTC, null for NaN, and an object for each version."""
    answer = run_json("registry", "versions", MODEL)
    assert isinstance(answer, list)
    assert datetime.fromisoformat(answer[0]["created_at"]) == registry.version(MODEL, 4).created_at
    assert (answer[1]["value"], answer[1]["passed"]) == (None, None)


def test_history_and_rollback(registry: ModelRegistry) -> None:
    """A rollback is one command, and one more line in the history."""
    assert "back to version 2" in run("registry", "rollback", MODEL, "--reason", "false alarms", "--actor", "me")
    last = run("registry", "history", MODEL).splitlines()[-1]
    assert "rollback" in last
    assert "false alarms" in last
    answer = run_json("registry", "rollback", MODEL, "--reason", "?", "--to", "3")
    assert isinstance(answer, dict)
    assert (answer["number"], answer["kind"]) == (3, "rollback")


def test_promote(registry: ModelRegistry) -> None:
    """By hand, past the gate, with a reason."""
    assert "version 4 is the champion" in run("registry", "promote", MODEL, "4", "--reason", "I know better")
    assert registry.promotions(MODEL)[-1].reason == "I know better"
    assert RUNNER.invoke(app, ["registry", "promote", MODEL, "4"]).exit_code == 2


def test_a_reason_that_says_nothing_is_refused(registry: ModelRegistry) -> None:
    """It is kept for ever, so it should be worth keeping."""
    refused = RUNNER.invoke(app, ["registry", "rollback", MODEL, "--reason", " "])
    assert refused.exit_code == 2
    assert "it is empty" in refused.output


def test_promote_where_users_have_no_names(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run as a bare number."""
    monkeypatch.setattr("getpass.getuser", lambda: {}["nobody"])
    run("registry", "promote", MODEL, "4", "--reason", "?")
    assert registry.promotions(MODEL)[-1].actor == f"user {os.getuid()}"


def test_the_python_of_the_guide_runs(registry: ModelRegistry) -> None:
    """As it stands in docs/registry.md."""
    guide = (Path(__file__).parents[2] / "docs" / "registry.md").read_text()
    block = re.findall(r"^```python\n(.+?)^```", guide, re.MULTILINE | re.DOTALL)[0]
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.startswith("3 2 {}\n4 0.6 False not proven better")


def test_recall(registry: ModelRegistry) -> None:
    """Says what is tainted, and that the champion is."""
    shown = run("registry", "recall", MODEL, "p2", "--reason", "wrong zone")
    assert "tainted versions: 2, 3, 4" in shown
    assert "evergreen registry rollback flights" in shown
    assert "tainted" in run("registry", "versions", MODEL)
    assert "back to version 1" in run("registry", "rollback", MODEL, "--reason", "p2")


def test_lineage_and_diff(registry: ModelRegistry) -> None:
    """What was learned, and what separates two versions."""
    lines = run("registry", "lineage", MODEL, "4").splitlines()
    assert [line.split()[2 if line.split()[0] != "1" else 1] for line in lines[1:]] == ["p3", "p2", "p1"]
    assert "only 4 learned   nothing" in run("registry", "diff", MODEL, "3", "4")
    answer = run_json("registry", "diff", MODEL, "2", "3")
    assert isinstance(answer, dict)
    assert (answer["only_a"], answer["only_b"], answer["ancestor"]) == ([], ["p3"], 2)


def test_drift_and_runs(registry: ModelRegistry) -> None:
    """What was found and decided, with the reasons."""
    assert "speed drifted" in run("registry", "drift", MODEL)
    assert "rejected" in run("registry", "runs", MODEL)


@pytest.mark.parametrize("command", ["versions", "history", "promises", "drift", "runs"])
def test_nothing_yet_is_a_sentence(home: Settings, command: str) -> None:
    """An empty table is no answer."""
    with open_registry(home.database_url) as registry:
        registry.add_model("digits")
    assert "digits" in run("registry", command, "digits")
    assert run_json("registry", command, "digits") == []


def test_errors_are_ours(registry: ModelRegistry) -> None:
    """Each names the way on."""
    assert isinstance(error_of("registry", "champion", "flihgts"), UnknownModel)
    assert isinstance(error_of("registry", "show", MODEL, "99"), UnknownVersion)
    registry.add_model("digits")
    assert isinstance(error_of("registry", "champion", "digits"), NoChampion)


def test_gc(registry: ModelRegistry, home: Settings) -> None:
    """Lists first, removes when told to."""
    orphan = Path(home.artifact_root, "head", "ab", f"abc.{'0' * 64}.keras")
    orphan.parent.mkdir(parents=True)
    orphan.write_text("left behind")
    assert "no orphans" in run("gc")
    assert "--delete" in run("gc", "--grace-hours", "0")
    assert orphan.exists()
    answer = run_json("gc", "--grace-hours", "0", "--delete")
    assert isinstance(answer, list)
    assert [file["bytes"] for file in answer] == [11]
    assert not orphan.exists()


def test_db_upgrade(home: Settings) -> None:
    """Makes the tables, and says so; a second time there is nothing to do."""
    assert "schema none is now" in run("db", "upgrade")
    assert "already" in run("db", "upgrade")


def test_db_upgrade_of_an_older_registry(home: Settings) -> None:
    """It says from which schema to which, and then the registry opens."""
    engine = open_engine(home.database_url)
    migrate(engine, "0001")
    engine.dispose()
    assert isinstance(error_of("registry", "champion", MODEL), RegistryOutdated)
    assert "schema 0001 is now 0012" in run("db", "upgrade")
    assert isinstance(error_of("registry", "champion", MODEL), UnknownModel)


def test_an_outdated_registry_ends_in_one_line(registry: ModelRegistry) -> None:
    """The real command: exit code 1, one line on stderr that names the command to run."""
    with registry.engine.begin() as connection:
        connection.execute(text("UPDATE evergreen_schema SET version_num = '0000'"))
    command = [sys.executable, "-m", "cli.main", "registry", "champion", MODEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "evergreen db upgrade" in done.stderr


def test_registry_commands_import_nothing_heavy(registry: ModelRegistry) -> None:
    """Neither TensorFlow nor Prefect nor Evidently, nor what reads data frames."""
    heavy = ["tensorflow", "keras", "prefect", "evidently", "pandas", "polars", "alembic", "fsspec"]
    code = (
        "import sys; from typer.testing import CliRunner; from cli.main import app; "
        f"assert CliRunner().invoke(app, ['registry', 'versions', '{MODEL}']).exit_code == 0; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"
