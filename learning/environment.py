"""What a model's numbers depend on beside weights, rows and plans: versions of libraries, the user's own code."""

from __future__ import annotations

import hashlib
import inspect
import platform
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from threading import Lock
from typing import Any

from learning.spec import ModelSpec

PARSING = Lock()  # CPython can fail where two threads parse source at once (github.com/python/cpython/issues/106905)


@cache
def environment() -> dict[str, str]:
    """Versions of Python and of the numerical packages, and the machine's architecture, for the registry."""
    packages = {name: version(name) for name in ("keras", "tensorflow", "numpy", "polars")}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


def code_digest(spec: ModelSpec) -> str:
    """Digest of what a spec says beside its plans: schema, objective, and the files its functions are written in.

    A training goes on where it stopped, and work that was rejected is left alone, only as long as this is the same.
    """
    stages = (spec.pretrain, *getattr(spec.finetune, "stages", ()))
    functions = [spec.build_base, spec.build_head, spec.augment, spec.callbacks, spec.loss]
    functions += [stage.schedule for stage in stages]
    written_in = {inspect.getmodule(function) for function in functions if function}
    return _digest([repr(spec.schema), repr(spec.objective), *sorted(map(_source, written_in))])


def function_record(function: Callable[..., Any] | None) -> str | None:
    """A user's function as a version remembers it: its name, and a digest of the file that it is written in."""
    if function is None:
        return None
    return f"{function.__qualname__} {_digest([_source(inspect.getmodule(function))])[:12]}"


def custom_digest() -> str:
    """Digest of the layers and functions that are registered with Keras: a saved model only names them."""
    if "keras" not in sys.modules:  # nobody has registered any, and to import it takes seconds
        return _digest(())
    import keras

    custom = keras.saving.get_custom_objects()
    return _digest(f"{name} {_source(custom[name])}" for name in sorted(custom))


def _source(thing: Any) -> str:
    """The source of a module, class or function, or its name where there is none to read."""
    try:
        with PARSING:
            return inspect.getsource(thing)
    except (OSError, TypeError):
        return str(getattr(thing, "__qualname__", type(thing).__qualname__))


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)} {part}".encode())
    return digest.hexdigest()
