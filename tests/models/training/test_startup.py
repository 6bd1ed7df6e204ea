"""How large libraries start."""

from __future__ import annotations

import gc

import pytest

from models.training.startup import large_import

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
