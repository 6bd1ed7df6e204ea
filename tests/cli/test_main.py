"""The command line as a whole: help, and errors that are one clear line."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app, without_traceback
from errors import NoChampion

EVERGREEN = Path(sys.executable).with_name("evergreen")


def test_help_names_every_verb() -> None:
    """Whoever types `evergreen --help` sees all there is."""
    text = CliRunner().invoke(app, ["--help"]).output
    verbs = ("bootstrap", "retrain", "registry", "partitions", "schema", "init", "new", "demo", "up", "db", "gc")
    assert [verb for verb in verbs if verb not in text] == []


@pytest.mark.parametrize("verb", ["bootstrap", "retrain"])
def test_a_misspelled_model_is_one_line_with_the_nearest_name(verb: str) -> None:
    """No traceback, exit code 1, and the name that was meant, before any server starts."""
    done = subprocess.run([EVERGREEN, verb, "flihgts"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("evergreen: model 'flihgts': no file models/flihgts.py defines it")
    assert "did you mean 'flights'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_registry_without_the_model_says_how_to_start() -> None:
    """Asking for a champion before there is one names the command that makes one."""
    done = subprocess.run([EVERGREEN, "registry", "champion", "flights"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "evergreen bootstrap flights" in done.stderr


def test_a_prefect_server_that_does_not_answer_is_one_line() -> None:
    """Whoever stopped `make up` reads what is missing, and not HTTP's own words for it."""
    dead = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    done = subprocess.run([EVERGREEN, "retrain", "flights"], capture_output=True, text=True, check=False, env=dead)
    assert done.returncode == 1
    assert done.stderr.startswith("evergreen: the Prefect server at http://127.0.0.1:9/api")
    assert len(done.stderr.splitlines()) == 1


def test_errors_of_ours_are_logged_without_a_traceback() -> None:
    """The one clear line is all there is to say; of any other error the traceback stays."""
    for error, kept in ((NoChampion("a", "b", "c"), False), (ValueError("a"), True)):
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed", (), (type(error), error, None))
        assert without_traceback(record)
        assert bool(record.exc_info) == kept
