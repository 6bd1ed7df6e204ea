"""A disk that is full: files that were there stay, half ones are not left, and a sentence says it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import main
from cli.deploy import add_deployments
from cli.whole_files import refusal, write_whole


@contextmanager
def full_disk(free: int = 1_000) -> Iterator[None]:
    """A process that may write no file longer than this, as where a quota is used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_there_stays(tmp_path: Path) -> None:
    """The schedules of all other models survive a full disk, and nothing lies beside them."""
    file = tmp_path / "prefect.yaml"
    before = "pools:\n  - &local {name: local}\ndeployments:\n  - name: retrain-flights\n"
    file.write_text(before)
    with full_disk(), pytest.raises(OSError, match=r"prefect\.yaml"):
        add_deployments(file, "churn")
    assert (file.read_text(), [path.name for path in tmp_path.iterdir()]) == (before, ["prefect.yaml"])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A file that lies elsewhere is written where it lies, with the rights that it had."""
    (tmp_path / "real.py").write_text("old")
    (tmp_path / "real.py").chmod(0o640)
    (tmp_path / "link.py").symlink_to("real.py")
    write_whole(tmp_path / "link.py", "new\n")
    assert ((tmp_path / "link.py").is_symlink(), (tmp_path / "real.py").read_text()) == (True, "new\n")
    assert (tmp_path / "real.py").stat().st_mode & 0o777 == 0o640


def test_a_draft_that_finds_no_room_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`evergreen new` ends with exit code 1 and a line, not a traceback, and can be repeated."""
    (tmp_path / "models").mkdir()
    (tmp_path / "rows.csv").write_text("id,x,y\n" + "".join(f"r{n},{n}.5,{n % 2}\n" for n in range(9)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["evergreen", "new", "churn", "--from", "rows.csv"])
    with full_disk(), pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert not list((tmp_path / "models").iterdir())
    monkeypatch.undo()
    assert capfd.readouterr().err.endswith("To fix it: make room, or make it writable, and try again.\n")


def test_other_errors_are_no_full_disk() -> None:
    """What is no matter of space or rights is not explained as one."""
    assert refusal(ConnectionResetError(104, "Connection reset by peer")) is None
