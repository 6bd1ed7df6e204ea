"""The layers that are registered with Keras, of which the environment of every version is made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def registrations_undone() -> Iterator[None]:
    """Forget in the end what was registered meanwhile: where features are cached depends on all that is."""
    before = dict(registered())
    try:
        yield
    finally:
        if registered() != before:
            registered().clear()
            registered().update(before)


def registered() -> dict[str, Any]:
    """Keras' own table; an empty one where nothing has imported Keras, which takes seconds."""
    if "keras" not in sys.modules:
        return {}
    import keras

    return cast("dict[str, Any]", keras.saving.get_custom_objects())
