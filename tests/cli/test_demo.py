"""`make demo`: a real model on real data, continued by running it again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from db.registry import open_registry
from settings import Settings

BIN = Path(sys.executable).parent


def demo(*words: str, home: Settings) -> str:
    """Run `evergreen demo …` to its end and give what it prints."""
    environment = os.environ | {"EVERGREEN_HOME": str(home.home), "COLUMNS": "200"}
    done = subprocess.run(
        [BIN / "evergreen", "demo", *words], env=environment, capture_output=True, text=True, check=True
    )
    assert "oneDNN" not in done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "files"),
    [
        (("--weeks", "2"), ["flights/2013-w01.csv", "flights/2013-w02.csv"]),
        (("--model", "digits", "--months", "2"), ["digits/month01.parquet", "digits/month02.parquet"]),
    ],
    ids=["flights", "digits"],
)
def test_data_lands_as_files(words: tuple[str, ...], files: list[str], home: Settings) -> None:
    """`evergreen demo data` writes the landing folder, and says where; each demo has its unit."""
    said = CliRunner().invoke(app, ["demo", "data", *words], catch_exceptions=False).output
    assert said == f"2 files in {Path(home.landing) / files[0].partition('/')[0]}\n"
    landed = (path for path in Path(home.landing).rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(home.landing)) for path in landed) == files


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_second_demo_tells_the_same_story_of_images(home: Settings) -> None:
    """After the first month whose images are turned, version 1 alone is far behind, and nothing speaks of weeks."""
    story = demo("run", "--model", "digits", "--months", "2", home=home)
    assert "months 1 to 3 have arrived: bootstrap" in story
    assert "month 5 has arrived" in story
    assert "week" not in story
    with open_registry(home.database_url) as registry:
        assert [run.decision for run in registry.runs("digits")] == ["retrain", "retrain", "bootstrap"]
        assert registry.champion("digits").number > 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_tells_its_story_and_goes_on(home: Settings) -> None:
    """Version 1 is bootstrapped and a week arrives; the second run goes on with the next week."""
    story = demo("run", "--weeks", "1", home=home)
    assert "2013-02-26" in story
    assert "v1 alone" in story
    with open_registry(home.database_url) as registry:
        assert [run.decision for run in registry.runs("flights")] == ["retrain", "bootstrap"]
        assert [run.outcome for run in registry.runs("flights")][-1] == "promoted"

    story = demo("run", "--weeks", "1", home=home)
    assert "2013-03-05" in story
    with open_registry(home.database_url) as registry:
        assert [run.decision for run in registry.runs("flights")] == ["retrain", "retrain", "bootstrap"]
        assert (home.reports / "flights").exists()
