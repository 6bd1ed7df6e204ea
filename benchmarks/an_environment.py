"""An environment of its own for a program that is measured beside ours, and asks for other packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def python_of(environment: Path, requirements: str) -> Path:
    """The Python of an environment, which is made on first use.

    Args:
        environment: its folder.
        requirements: the file beside this one that names what is in it.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
        packages = ["--python", str(python), "-r", str(HERE / requirements)]
        subprocess.run([*uv, "pip", "install", "--quiet", *packages], check=True)
    return python
