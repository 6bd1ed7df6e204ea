"""The deployments are registered by a process that waits, with its imports made, until a server answers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import prefect.cli
import pytest

from cli import prefect_deploy
from cli.prefect_deploy import deploying
from errors import ServerFailed

TELLS = """
import sys
from pathlib import Path
if sys.stdin.readline():
    Path(sys.argv[0]).with_name("told").write_text(" ".join(sys.argv[1:]))
    print("what went wrong")
    sys.exit(3)
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """In which a module takes the place of ours, which would import Prefect."""
    module = f"tells_{uuid4().hex}"  # which no other test's process is called
    (tmp_path / f"{module}.py").write_text(TELLS)
    monkeypatch.setattr(prefect_deploy, "MODULE", module)
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def test_what_prefect_says_is_shown_where_it_fails(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a sentence says which command it was."""
    with deploying(environment) as deploy, pytest.raises(ServerFailed, match="deploy --all: it ended with 3"):
        deploy()
    assert (tmp_path / "told").read_text() == "--no-prompt deploy --all"
    assert "what went wrong" in capsys.readouterr().err


def test_nothing_is_registered_where_no_server_comes(environment: dict[str, str], tmp_path: Path) -> None:
    """Nor is the process left behind."""

    def running() -> bool:
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
        return f"-m {prefect_deploy.MODULE}" in listed

    with deploying(environment):
        assert running()
    assert not (tmp_path / "told").exists()
    assert not running()


@pytest.mark.parametrize(("line", "called"), [("\n", 1), ("", 0)])
def test_prefect_is_called_only_when_told(line: str, called: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever started it may end while it waits: then its standard input ends too."""
    calls = list[str]()
    monkeypatch.setattr(prefect.cli, "app", lambda: calls.append("app"))
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    prefect_deploy.main()
    assert len(calls) == called
