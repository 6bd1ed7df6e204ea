"""The README and its pages: every command, path and link in them exists, and what is said of tables is so."""

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
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
CODE = re.compile(r"```.*?```", re.DOTALL)
LINES = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("evergreen ")])
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    """Every relative link, and every file or folder named in a sentence, exists."""
    text = page.read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    sentences = CODE.sub("", text)
    paths = set(re.findall(r"`([a-z][\w./-]*(?:/|\.(?:py|md|toml|yaml)))`", sentences))
    elsewhere = {"cache/", "models/NAME.py"}  # in EVERGREEN_HOME, and to be filled in
    elsewhere |= {"elsewhere.py", "models/late.py", "models/orders.py", "shop/.evergreen/"}  # made in a walk
    assert sorted(path for path in paths - elsewhere if not (PROJECT / path).exists()) == []


def test_the_listing_names_every_room() -> None:
    """The folders at the top are the rooms, and the README and CONTRIBUTING.md name each of them."""
    rooms = {path.parent.name for path in PROJECT.glob("*/__init__.py")} | {"models", "client"}
    (listing,) = (block for block in CODE.findall(README) if "flows/" in block)
    assert set(re.findall(r"(\w+)/ ", listing)) == rooms
    assert set(re.findall(r"^\| `(\w+)/` \|", (PROJECT / "CONTRIBUTING.md").read_text(), re.MULTILINE)) == rooms


def test_settings_are_the_ones_there_are() -> None:
    """Every EVERGREEN_ variable in the README is a setting, and every setting is in the README."""
    named = {name.lower() for name in re.findall(r"EVERGREEN_([A-Z_]+)", README)}
    assert named == set(Settings.model_fields)
