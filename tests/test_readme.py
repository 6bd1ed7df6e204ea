"""The README: every command in it exists, every link leads somewhere, and what it says of tables is so."""

import re
import shlex
import sqlite3
from pathlib import Path

import click
import pytest
import typer
import yaml

from cli.main import app
from settings import Settings

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()
LINES = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", [line for line in LINES if "bin/evergreen" in line])
def test_evergreen_commands_parse(line: str) -> None:
    """Each `evergreen …` line names an existing verb, with options and arguments that it takes."""
    words = shlex.split(line)[1:]
    command: click.Command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    with_data = [str(PROJECT / "README.md") if word.endswith(".csv") else word for word in words]
    command.make_context("evergreen", with_data)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    """Each `make …` line names a target."""
    assert re.search(rf"^{line.split()[1]}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def test_the_deployment_that_is_run_by_hand_exists() -> None:
    """The README runs a deployment that prefect.yaml defines."""
    (name,) = re.findall(r"deployment run (\S+)", README)
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    assert name in {f"{d['entrypoint'].split('.')[1]}/{d['name']}" for d in deployments}


def test_the_sql_runs(home: Settings) -> None:
    """The README's query runs on a new registry."""
    from db.registry import open_registry

    open_registry(home.database_url).close()
    (query,) = re.findall(r"registry\.db '(.+)'", README)
    sqlite3.connect(home.home / "registry.db").execute(query)


def test_links_lead_somewhere() -> None:
    """Every relative link is a file or folder of the project."""
    links = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert links
    assert [link for link in links if not (PROJECT / link).exists()] == []


def test_settings_are_the_ones_there_are() -> None:
    """Every EVERGREEN_ variable in the README is a setting, and every setting is in the README."""
    named = {name.lower() for name in re.findall(r"EVERGREEN_([A-Z_]+)", README)}
    assert named == set(Settings.model_fields)
