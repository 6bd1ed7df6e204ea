"""How large libraries start."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import subprocess
import sys

import pytest

from learning.startup import held_back_stderr, large_import, left_out

MISSING = "a_library_that_nobody_imported"


def test_the_collector_waits_during_a_large_import_and_forgets_what_it_made() -> None:
    """Nothing is collected meanwhile, everything is frozen afterwards, and the collector runs again."""
    frozen = gc.get_freeze_count()
    with large_import(MISSING):
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(made)


def test_a_library_that_is_there_already_freezes_nothing() -> None:
    """A process that retrains again and again would otherwise keep what it has thrown away."""
    frozen = gc.get_freeze_count()
    with large_import("gc"):
        assert gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.get_freeze_count() < frozen + len(made)


def test_a_failed_import_leaves_the_collector_running() -> None:
    """A missing library is an error message, not a process that grows for ever."""
    with pytest.raises(ImportError), large_import(MISSING):
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """Whoever turned it off had a reason."""
    gc.disable()
    try:
        with large_import(MISSING):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_library_is_left_out_for_a_while() -> None:
    """Meanwhile it cannot be imported, afterwards it can; one that is there already stays."""
    with left_out("this"), pytest.raises(ImportError):
        importlib.import_module("this")
    assert "this" not in sys.modules
    with left_out("gc"):
        assert importlib.import_module("gc") is gc


@pytest.mark.parametrize("failing", [False, True])
def test_what_is_held_back_is_shown_if_it_ends_in_an_error(capfd: pytest.CaptureFixture[str], *, failing: bool) -> None:
    """Chatter is no news, unless it says why a library does not start; afterwards all is shown again."""
    with contextlib.suppress(ImportError), held_back_stderr():
        os.write(2, b"chatter ")
        if failing:
            raise ImportError
    os.write(2, b"news")
    assert capfd.readouterr().err == ("chatter news" if failing else "news")


@pytest.mark.slow
def test_tensorflow_starts_without_a_word_and_without_what_nobody_asked_for() -> None:
    """Nobody waits for a library that only Keras would use; who asks for it later gets it."""
    script = "import sys; from learning.startup import start_tensorflow; start_tensorflow();"
    script += "print([name in sys.modules for name in ('tensorflow', 'sklearn', 'pandas')]);"
    script += "import pandas, sklearn.metrics; print(sklearn)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[True, False, False]\n<module 'sklearn'")
    assert not done.stderr
