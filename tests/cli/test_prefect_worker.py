"""The worker of `evergreen up` is Prefect's own, and keeps no garbage."""

from __future__ import annotations

import subprocess
import sys
import weakref

import pytest

from cli import prefect_worker


class Circle:
    """Something that refers to itself, as what a run leaves behind."""

    def __init__(self) -> None:
        self.itself = self


def test_it_is_prefects_own() -> None:
    """The words of a command go to Prefect's command line."""
    command = [sys.executable, "-m", prefect_worker.MODULE, "worker", "start", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--pool" in done.stdout


def test_what_refers_to_itself_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Python itself would not look for it yet."""
    left = weakref.ref(Circle())
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 1:
            raise InterruptedError

    monkeypatch.setattr(prefect_worker.time, "sleep", sleep)
    with pytest.raises(InterruptedError):
        prefect_worker.collect_for_ever()
    assert slept == [prefect_worker.SECONDS] * 2
    assert left() is None
