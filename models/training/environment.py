"""Versions of what a model's numbers depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version


def environment() -> dict[str, str]:
    """Versions of Python and of the numerical packages, and the machine's architecture, for the registry."""
    packages = {name: version(name) for name in ("keras", "tensorflow", "numpy")}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}
