"""The command line as a whole: help, and errors that are one clear line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from cli.main import app, main
from cli.running import run_to_its_end
from db.records import RunEnding
from db.registry import open_registry
from settings import Settings

EVERGREEN = Path(sys.executable).with_name("evergreen")


def test_help_names_every_verb() -> None:
    """Whoever types `evergreen --help` sees all there is."""
    text = CliRunner().invoke(app, ["--help"]).output
    verbs = (
        "bootstrap",
        "retrain",
        "watch",
        "registry",
        "partitions",
        "schema",
        "init",
        "new",
        "demo",
        "up",
        "db",
        "gc",
    )
    assert [verb for verb in verbs if verb not in text] == []


@pytest.mark.parametrize("verb", ["bootstrap", "retrain", "watch"])
def test_a_misspelled_model_is_one_line_with_the_nearest_name(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, exit code 1, and the name that was meant, before any server starts."""
    monkeypatch.setattr(sys, "argv", ["evergreen", verb, "flihgts"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("evergreen: model 'flihgts': no file models/flihgts.py defines it")
    assert "did you mean 'flights'" in said
    assert len(said.splitlines()) == 1


def test_a_registry_without_the_model_says_how_to_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asking for a champion before there is one names the command that makes one."""
    monkeypatch.setattr(sys, "argv", ["evergreen", "registry", "champion", "flights"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "evergreen bootstrap flights" in capsys.readouterr().err


@pytest.mark.slow
def test_a_prefect_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """Whoever stopped `make up` reads what is missing, and not HTTP's own words for it."""
    dead = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api", "HOME": str(tmp_path)}  # who never used Prefect
    done = subprocess.run([EVERGREEN, "retrain", "flights"], capture_output=True, text=True, check=False, env=dead)
    assert done.returncode == 1
    assert done.stderr.startswith("evergreen: the Prefect server at http://127.0.0.1:9/api")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def no_server() -> Iterator[None]:
    """Nobody has named one, also where tests of flows have just had theirs."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(("outcome", "code"), [("needs attention", 3), ("promoted", 0)])
def test_a_run_that_needs_attention_has_an_exit_code_of_its_own(outcome: str, code: int) -> None:
    """A script can tell a run that somebody should look at; the sentences and where to look are on stderr."""
    message = "rejected: no better. Needs attention (1): a.csv: it is empty"
    ended = SimpleNamespace(message=message, result=lambda: outcome)
    one = typer.Typer()
    flow = SimpleNamespace(fn=lambda *_, **__: ended)
    one.command()(lambda: run_to_its_end(flow, "tiny"))  # type: ignore[arg-type,return-value]
    done = CliRunner().invoke(one)
    assert (done.exit_code, done.stdout) == (code, f"{outcome}\n")
    assert (message in done.stderr) == ("evergreen partitions refused tiny" in done.stderr) == bool(code)


def test_help_says_what_the_exit_codes_mean() -> None:
    """All four in one place."""
    text = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    assert "Exit codes: 0 done; 1 not done" in text
    assert "3 the run came to its end" in text


@pytest.mark.usefixtures("no_server")
def test_a_bootstrap_that_is_rejected_is_no_success(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model has no champion: exit code 1, and the run's reason on stderr."""
    with open_registry(home.database_url) as registry:
        registry.add_model("flights")
        run = registry.start_run("flights", trigger="by hand", flow_run_id=None)
        registry.finish_run(run.id, RunEnding("rejected", "bootstrap", "shown worse: look at the labels"))
    ended = SimpleNamespace(name="Completed", message="", result=lambda: "rejected")
    for name, code in (("bootstrap", 1), ("retrain", 0), ("watch", 0)):
        flow = SimpleNamespace(fn=lambda *_, **__: ended)
        monkeypatch.setitem(sys.modules, f"flows.{name}", SimpleNamespace(**{name: flow}))
        done = CliRunner().invoke(app, [name, "flights"])
        assert (done.exit_code, done.stdout) == (code, "rejected\n")
        assert ("flights has no champion yet: shown worse: look at the labels" in done.stderr) == bool(code)
