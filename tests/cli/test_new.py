"""`evergreen new`."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from errors import InvalidName
from learning.catalog import load_spec
from settings import Settings

CSV = "at,id,size,late\n2024-01-01,1,0.5,0\n2024-01-02,2,1.5,1\n"


def run(*arguments: str) -> str:
    """Run the command line; errors come through."""
    result = CliRunner().invoke(app, ["new", *arguments], catch_exceptions=False)
    return result.output


def test_new_writes_a_model_file_and_says_what_it_guessed(tmp_path: Path) -> None:
    """One short file, and the next command to type."""
    (tmp_path / "orders.csv").write_text(CSV)
    output = run("orders", "--from", str(tmp_path / "orders.csv"), "--folder", str(tmp_path))
    assert "Binary()" in output
    assert "evergreen bootstrap orders" in output
    assert 'target="late"' in (tmp_path / "orders.py").read_text()


def test_new_makes_the_landing_folder_and_prints_what_to_paste(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person should look at, and commands that find the file and the folder from where they are typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my orders.csv").write_text(CSV)
    lines = run("orders", "--from", "my orders.csv", "--folder", str(tmp_path)).splitlines()
    assert "  ? target: 'late' is a guess; say --target COLUMN" in lines
    land, bootstrap, fresh = (line.strip() for line in lines[-3:])
    subprocess.run(land, shell=True, check=True, cwd=tmp_path)  # noqa: S602 - it is to be pasted into a shell
    assert (Path(home.landing) / "orders/my orders.csv").read_text() == CSV
    assert bootstrap.endswith("evergreen bootstrap orders")
    assert fresh.endswith("evergreen retrain orders")  # there is no prefect.yaml, and so no schedule
    assert Path(bootstrap.split()[0]).exists() or shutil.which("evergreen")


def test_a_model_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    """Whoever corrected a draft does not lose it."""
    (tmp_path / "orders.csv").write_text(CSV)
    (tmp_path / "orders.py").write_text("mine")
    with pytest.raises(InvalidName, match="exists"):
        run("orders", "--from", str(tmp_path / "orders.csv"), "--folder", str(tmp_path))
    assert (tmp_path / "orders.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["spec", "card-fraud", "errors", "null"])
def test_any_other_name_works(name: str, tmp_path: Path) -> None:
    """The models folder holds nothing but models, so that no name is taken; Python need not be able to import it."""
    (tmp_path / "rows.csv").write_text(CSV)
    run(name, "--from", str(tmp_path / "rows.csv"), "--folder", str(tmp_path))
    assert load_spec(name, [tmp_path]).name == name


@pytest.mark.parametrize("name", ["Orders", "my model", "1st", "../up"])
def test_a_name_that_the_registry_would_refuse_is_refused(name: str, tmp_path: Path) -> None:
    """There is one rule for names, wherever a name is given."""
    with pytest.raises(InvalidName, match="lower-case"):
        run(name, "--from", str(tmp_path / "orders.csv"))
