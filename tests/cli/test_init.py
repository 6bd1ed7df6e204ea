"""`evergreen init`: a repository of one's own models, which works with an installed Evergreen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from errors import InvalidName
from settings import Settings

PROJECT = Path(__file__).parent.parent.parent
CSV = "at,id,size,late\n2024-01-01,1,0.5,0\n2024-01-02,2,1.5,1\n"


def init(folder: Path) -> str:
    """Run `evergreen init`; errors come through."""
    return CliRunner().invoke(app, ["init", str(folder)], catch_exceptions=False).output


def called(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module in the folder, as its user does after an installation, with nothing set but the home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVERGREEN_", "PREFECT_"))}
    kept["PYTHONPATH"] = f"{PROJECT}{os.pathsep}{PROJECT / 'client'}"
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=kept, capture_output=True, text=True, check=False
    )


def test_the_way_into_a_folder_can_be_pasted(tmp_path: Path) -> None:
    """Also where its name has a space."""
    assert f"cd '{tmp_path}/my shop';" in init(tmp_path / "my shop")


@pytest.mark.slow
def test_a_new_repository_takes_a_model_and_its_test_passes(tmp_path: Path) -> None:
    """Init, new, pytest: the model is drafted there, has its deployments, and the repository's own test loads it."""
    shop = tmp_path / "shop"
    assert "evergreen new" in init(shop)
    (shop / "orders.csv").write_text(CSV)

    drafted = called(shop, "cli.main", "new", "late-orders", "--from", "orders.csv")
    assert drafted.returncode == 0, drafted.stderr
    assert "end of prefect.yaml" in drafted.stdout
    tidy, approve, *deployments = yaml.safe_load((shop / "prefect.yaml").read_text())["deployments"]
    assert (tidy["name"], approve["name"]) == ("tidy", "approve")
    assert [one["name"] for one in deployments] == [f"{flow}-late-orders" for flow in ("bootstrap", "retrain", "watch")]
    (trigger,) = deployments[1]["triggers"]
    assert trigger["match"] == {"prefect.resource.id": "evergreen.model.late-orders", "evergreen.flow": "watch"}
    assert {one["parameters"]["model"] for one in deployments} == {"late-orders"}
    assert {one["work_pool"]["name"] for one in deployments} == {"local"}

    tested = called(shop, "pytest", "-q", "-p", "no:cacheprovider")
    assert "1 passed" in tested.stdout, tested.stdout

    answer = called(shop, "cli.main", "registry", "versions", "late-orders")
    assert (shop / ".evergreen/registry.db").exists(), answer.stderr


@pytest.mark.slow
def test_its_test_finds_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    """A misspelled column is a failed test, and names the mistake."""
    init(tmp_path / "shop")
    (tmp_path / "shop/models/broken.py").write_text("spec = Spec(")
    tested = called(tmp_path / "shop", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 1
    assert "it is no Python" in tested.stdout


def test_settings_are_read_from_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example, with its comments removed, is a valid .env with the defaults; others may stand in it."""
    init(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    for name in Settings.model_fields:
        monkeypatch.delenv(f"EVERGREEN_{name.upper()}")
    plain = Settings()
    example = Path(".env.example").read_text().replace("# EVERGREEN_", "EVERGREEN_")
    Path(".env").write_text(example + "AWS_PROFILE=mine\n")
    written = Settings()
    assert set(re.findall(r"^EVERGREEN_(\w+)=", example, re.MULTILINE)) == {f.upper() for f in Settings.model_fields}
    assert written.home == plain.home
    assert (written.artifact_root, written.landing) == (".evergreen/artifacts", ".evergreen/landing")
    assert written.model_folders == plain.model_folders == (tmp_path / "shop/models",)
    Path(".env").write_text("EVERGREEN_MODELS=mine:/shared/models\n")
    assert Settings().model_folders == (tmp_path / "shop/mine", Path("/shared/models"))


def test_prefect_behaves_there_as_in_this_project(tmp_path: Path) -> None:
    """A cold start is waited for, and a server's restart kills no run."""
    init(tmp_path / "shop")
    assert (tmp_path / "shop/prefect.toml").read_text() == (PROJECT / "prefect.toml").read_text()


def test_a_folder_with_files_in_it_is_left_alone(tmp_path: Path) -> None:
    """Nothing of the user's is overwritten, and a second init is refused; a repository without files yet is fine."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(InvalidName, match="new or empty"):
        init(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]

    (tmp_path / "shop/.git").mkdir(parents=True)
    init(tmp_path / "shop")
    with pytest.raises(InvalidName, match="overwritten"):
        init(tmp_path / "shop")


def test_a_prefect_yaml_that_a_person_changed_is_not_guessed_at(tmp_path: Path) -> None:
    """Where the deployments are not the last part of the file, nothing is appended to it."""
    init(tmp_path / "shop")
    file = tmp_path / "shop/prefect.yaml"
    file.write_text(file.read_text() + "pull: []\n")
    (tmp_path / "orders.csv").write_text(CSV)
    folder = str(tmp_path / "shop/models")
    words = ["new", "orders", "--from", str(tmp_path / "orders.csv"), "--folder", folder]
    assert "prefect.yaml" not in CliRunner().invoke(app, words, catch_exceptions=False).output
    assert [one["name"] for one in yaml.safe_load(file.read_text())["deployments"]] == ["tidy", "approve"]
