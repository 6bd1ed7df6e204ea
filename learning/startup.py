"""How large libraries start in a process of ours: without chatter, and out of the garbage collector's sight.

What this does, it does to the whole process. So commands (cli/) and the steps of flows (tasks/) call it, and never
what learns and predicts: other programs use that too.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def large_import(library: str) -> Iterator[None]:
    """Import a large library here: the garbage collector waits meanwhile, and never looks at its objects again.

    A library's modules live as long as the process. The collector would walk through their millions of objects
    many times while they are made, at every full collection in training, and once more at exit: together that takes
    longer than many a fine-tuning. What is garbage already is collected first, as it would be kept for ever.
    """
    if library in sys.modules:
        yield
        return
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def after_large_import(library: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function that needs a large library, which is imported first if that was not done before."""
    with large_import(library):
        import_module(library)
    return function(*args, **kwargs)


@contextmanager
def left_out(library: str) -> Iterator[None]:
    """Let imports of an optional library fail, in all threads, as if it were not installed; afterwards they work."""
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]


@contextmanager
def held_back_stderr() -> Iterator[None]:
    """Show nothing that is written to the process's standard error here, unless it ends in an exception: then all."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def start_tensorflow() -> None:
    """Import TensorFlow and Keras, once, the quick and quiet way.

    What TensorFlow writes of GPUs and number formats is no news to whoever reads a run's log. It writes to the
    process's standard error before any of its log levels count, so that stream is held back meanwhile.
    """
    if "tensorflow" in sys.modules:
        return
    # Keras would import both, a third of the time: to wrap models as estimators, and for names of two types.
    with held_back_stderr(), large_import("tensorflow"), left_out("sklearn"), left_out("pandas"):
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for GPUs, which it would comment on later
    # Every partition and head is traced anew on purpose; TensorFlow takes that for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
