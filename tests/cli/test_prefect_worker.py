"""The worker of `evergreen up` is Prefect's own, and keeps no garbage."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from threading import Event
from types import SimpleNamespace

import prefect.cli
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


def test_it_looks_for_garbage_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside whatever Prefect does."""
    began = Event()
    monkeypatch.setattr(prefect_worker, "collect_for_ever", began.set)
    monkeypatch.setattr(prefect.cli, "app", lambda: began.wait(10))
    prefect_worker.main()
    assert began.is_set()


def test_what_refers_to_itself_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python itself would not look for it yet."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 1:
            raise InterruptedError

    monkeypatch.setattr(prefect_worker, "time", SimpleNamespace(sleep=sleep))
    gc.disable()
    try:
        left = weakref.ref(Circle())
        assert left() is not None
        with pytest.raises(InterruptedError):
            prefect_worker.collect_for_ever()
        assert left() is None
    finally:
        gc.enable()
    assert slept == [prefect_worker.SECONDS] * 2
