"""`evergreen models` as its users type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from arriving import new_registry
from filled import add_partition, add_version
from typer.testing import CliRunner

from cli.main import app
from db.registry import ModelRegistry
from settings import Settings, get_settings

WHO = {"reason": "why", "actor": "me"}


@pytest.fixture
def registry(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    """A registry with flights, which has a champion and no file, beside a file that has not begun."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "shop.py").write_text("spec = None\n")
    monkeypatch.setenv("EVERGREEN_MODELS", str(folder))
    get_settings.cache_clear()
    found = new_registry(home.home / "registry.db")
    found.add_model("flights")
    add_partition(found, "p1")
    add_version(found, trained=["p1"])
    found.promote("flights", 1, seen=0, kind="bootstrap", **WHO)
    return found


def run(*arguments: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, ["models", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_has_files_and_history(registry: ModelRegistry) -> None:
    """A model of which one of both is missing is there too, and it says which."""
    del registry
    lines = run().splitlines()
    assert lines[1].split()[:2] == ["flights", "1"]
    assert lines[1].endswith("no file")
    assert lines[2].split() == ["shop"]
    found = json.loads(run("--json"))
    assert [(one["name"], one["champion"], one["rows"]) for one in found] == [("flights", 1, 100), ("shop", None, 0)]


def test_a_new_name_says_what_is_left_to_do(registry: ModelRegistry) -> None:
    """History is the registry's, the file is the user's."""
    told = run("rename", "flights", "planes")
    assert 'rename the file flights.py to planes.py, write name="planes"' in told
    assert registry.champion("planes").number == 1
    assert "Next" not in run("rename", "planes", "shop")


def test_retired_and_taken_up_again(registry: ModelRegistry) -> None:
    """The list says so, and why is kept."""
    assert "resume flights" in run("retire", "flights", "--reason", "nobody asks it any more")
    assert "retired, no file" in run()
    event = registry.retired("flights")
    assert event is not None
    assert event.reason == "nobody asks it any more"
    run("resume", "flights", "--reason", "somebody does")
    assert "retired" not in run()
