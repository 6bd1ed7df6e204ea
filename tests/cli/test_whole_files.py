"""A disk that is full: files that were there stay, half ones are not left, and a sentence says it."""

from __future__ import annotations

import errno
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import main
from cli.deploy import add_deployments
from cli.whole_files import refusal, write_whole
from monitoring.document import save


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
    assert capfd.readouterr().err.endswith("To fix it: make room, and try again.\n")


def says(number: int) -> Callable[..., None]:
    """A call that a disk refuses in this way."""

    def refused(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return refused


def test_a_file_that_is_a_mount_of_its_own_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `prefect.yaml` in a container: nothing can be put in its place; and a full disk takes nothing here either."""
    file = tmp_path / "prefect.yaml"
    file.write_text("old\n" * 20)
    monkeypatch.setattr(Path, "replace", says(errno.EBUSY))
    write_whole(file, "new\n")
    assert (file.read_text(), [path.name for path in tmp_path.iterdir()]) == ("new\n", ["prefect.yaml"])
    monkeypatch.setattr("cli.whole_files._replace", says(errno.EBUSY))
    with full_disk(), pytest.raises(OSError, match=r"too large.*prefect\.yaml"):
        write_whole(file, "newer\n" * 1_000)
    assert file.read_text() == "new\n"


def test_a_folder_of_somebody_else_is_no_hindrance(tmp_path: Path) -> None:
    """Where the file may be written, it is."""
    file = tmp_path / "kept" / "prefect.yaml"
    file.parent.mkdir()
    file.write_text("old\n")
    file.parent.chmod(0o555)
    write_whole(file, "new\n")
    file.parent.chmod(0o755)
    assert file.read_text() == "new\n"


def test_a_disk_that_may_only_be_read_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that a person keeps, not the one that was to lie beside it; and nobody is asked to make room."""
    for name in ("open", "unlink"):
        monkeypatch.setattr(Path, name, says(errno.EROFS))
    with pytest.raises(OSError, match=r"Read-only.*'.*/churn\.py'") as refused:
        write_whole(tmp_path / "churn.py", "new\n")
    assert str(refusal(refused.value)).endswith("see that you may read and write it, and try again.")


def test_other_errors_are_no_full_disk() -> None:
    """What is no matter of space or rights is not explained as one."""
    assert refusal(ConnectionResetError(104, "Connection reset by peer")) is None


@pytest.mark.parametrize("place", ["taken", "file/page.html"])
def test_a_page_where_no_file_can_be_is_one_sentence(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the path that was given, and not the unfinished file beside it."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").touch()

    def saved() -> None:
        save("<!doctype html>", tmp_path / place)

    monkeypatch.setattr(main, "app", saved)
    with pytest.raises(SystemExit, match="1"):
        main.main()
    told = capsys.readouterr().err
    assert told.startswith(f"evergreen: {tmp_path / Path(place).parts[0]}")
    assert told.endswith("To fix it: name another path, and try again.\n")
