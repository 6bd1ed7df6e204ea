"""Prefect's database lies beside the registry, and where somebody said otherwise it stays there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.prefect_home import keep_prefect_here
from settings import Settings


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose home folder is empty, in a project without settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("PREFECT_PROFILES_PATH", "x")  # so that both are as before in the end
    monkeypatch.setenv("PREFECT_HOME", "x")
    monkeypatch.delenv("PREFECT_PROFILES_PATH")
    monkeypatch.delenv("PREFECT_HOME")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "user"


def test_it_is_under_evergreens_home_and_profiles_stay(
    home: Settings, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `prefect config set` wrote before still counts."""
    keep_prefect_here(home)
    assert capsys.readouterr().err == ""
    assert os.environ["PREFECT_HOME"] == str(home.home / "prefect")
    assert (home.home / "prefect").is_dir()
    assert os.environ["PREFECT_PROFILES_PATH"] == str(user / ".prefect/profiles.toml")


def test_whoever_has_one_is_told_once_how_to_go_on_with_it(
    home: Settings, user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whichever command comes first; that what somebody set in the UI stays behind is said too."""
    (user / ".prefect").mkdir(parents=True)
    (user / ".prefect/prefect.db").touch()
    keep_prefect_here(home)
    told = capsys.readouterr().err
    assert f"export PREFECT_HOME={user}/.prefect" in told
    assert "paused" in told
    assert "blocks" in told
    monkeypatch.delenv("PREFECT_HOME")
    keep_prefect_here(home)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("file", "line"), [(".env", "PREFECT_HOME=/srv/prefect\n"), ("prefect.toml", 'home = "/srv"\n')]
)
def test_where_somebody_said_otherwise_it_stays_there(home: Settings, file: str, line: str) -> None:
    """In the environment, in .env or in prefect.toml."""
    Path(file).write_text(line)
    keep_prefect_here(home)
    assert "PREFECT_HOME" not in os.environ
    Path(file).unlink()
    os.environ["PREFECT_HOME"] = "/srv/prefect"
    keep_prefect_here(home)
    assert os.environ["PREFECT_HOME"] == "/srv/prefect"
