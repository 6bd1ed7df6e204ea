"""`evergreen monitor`, as people and programs call it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from a_year import a_year
from arriving import new_registry
from filled import MODEL, three_champions
from typer.testing import CliRunner

from cli.main import app
from db.registry import ModelRegistry
from db.verdict_records import DriftColumn, NewDriftCheck, NewPerformanceCheck
from errors import UnknownModel
from settings import Settings

RUNNER = CliRunner()


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """The registry that the settings name."""
    with new_registry(home.home / "registry.db") as registry:
        registry.add_model(MODEL)
        yield registry


def run(*words: str) -> str:
    """Run a command that must succeed; returns what it printed."""
    result = RUNNER.invoke(app, ["monitor", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_model_of_which_nothing_is_known(registry: ModelRegistry) -> None:
    """It is said, line by line; a misspelled one is an error of ours."""
    shown = run(MODEL)
    for said in ("none yet", "not checked yet", "nothing has arrived", "no loss is known yet", "it has not run yet"):
        assert said in shown
    assert isinstance(RUNNER.invoke(app, ["monitor", "flihgts"]).exception, UnknownModel)


def test_days_of_it(registry: ModelRegistry, home: Settings) -> None:
    """What is in production, how it fares, what is broken, what arrived, what was estimated and decided."""
    a_year(registry, days=30, columns=12, every=3)
    shown = run(MODEL)
    lines = shown.splitlines()
    assert lines[0] == MODEL
    for said in (
        f"version {registry.champion(MODEL).number}, since",
        "broken since 2013-01-30 00:00:00 UTC: loss",
        "of 12 columns drifted",
        "30 from 2013-01-01 to 2013-01-30",
        "limit 0.52",
        "? has no finite loss",
        "^ promotion, < rollback",
        "1,000 new rows against 30,000",
        "landing/day-29.csv",
        "0.4 to 0.6",
    ):
        assert said in shown
    (bars,) = re.findall(r"^  ([▁▂▃▄▅▆▇█?]+)  ", shown, re.MULTILINE)
    assert len(bars) == 30
    columns = [line for line in lines if line.startswith("column ")]
    assert "broken" in columns[1]
    assert [line.split()[1] for line in columns[1:3]] == ["0", "2"]
    assert "as a page" not in shown


def test_programs_get_it_all(registry: ModelRegistry) -> None:
    """NaN is null, instants are ISO 8601."""
    a_year(registry, days=6, columns=2, every=3)
    answer = json.loads(run(MODEL, "--json"))
    assert [block["loss"] is None for block in answer["blocks"]] == [day == 3 for day in range(6)]
    assert answer["champion"]["number"] == answer["promotions"][-1]["number"]
    assert len(answer["checks"][-1]["columns"]) == 4
    assert answer["runs"][-1]["decision"] == "retrain"


def test_the_page(registry: ModelRegistry, tmp_path: Path) -> None:
    """It goes where it is wanted; a folder is made, and a page before is replaced."""
    page = tmp_path / "new" / "page.html"
    for _ in range(2):
        assert run(MODEL, "--html", str(page)) == ""
    assert page.read_text().startswith("<!doctype html>")
    assert [file.name for file in page.parent.iterdir()] == ["page.html"]


def test_the_page_of_the_last_run_is_named(registry: ModelRegistry, home: Settings) -> None:
    """So that people find it."""
    page = home.monitor_page(MODEL)
    page.parent.mkdir(parents=True)
    page.write_text("a page")
    assert f"as a page: {page}" in run(MODEL)


def test_what_data_hold_steers_no_terminal(registry: ModelRegistry) -> None:
    """Names and reasons are shown, controls written out, secrets not at all."""
    hostile = "[red]x[/red]\x1b[31m\r\n ftp://me:s/ecret@host/"
    three_champions(registry)
    column = DriftColumn(hostile, "w", float("nan"), 0.1, drifted=True, broken=True, remark=hostile)
    registry.record_drift(NewDriftCheck(None, MODEL, 3, True, 1.0, hostile, hostile, (column,)))
    registry.record_performance(
        NewPerformanceCheck(None, MODEL, 3, "cannot tell", None, hostile, 0, float("nan"), None)
    )
    shown = run(MODEL)
    assert "[red]x" in shown
    assert "\x1b" not in shown
    assert "ecret" not in shown + run(MODEL, "--json")


def test_it_imports_nothing_heavy(registry: ModelRegistry) -> None:
    """Neither TensorFlow nor Evidently nor Prefect, nor what reads data frames."""
    heavy = ["tensorflow", "keras", "prefect", "evidently", "pandas", "polars", "alembic", "fsspec"]
    code = (
        "import sys; from typer.testing import CliRunner; from cli.main import app; "
        f"assert CliRunner().invoke(app, ['monitor', '{MODEL}']).exit_code == 0; "
        f"assert CliRunner().invoke(app, ['monitor', '{MODEL}', '--html', 'page.html']).exit_code == 0; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    folder = Path(os.environ["EVERGREEN_HOME"])
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=folder)
    assert done.stdout.strip() == "[]"
