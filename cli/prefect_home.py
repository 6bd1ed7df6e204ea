"""Where Prefect keeps its database: beside the registry, so that no two checkouts of one user share it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settings import Settings

USUAL = Path("~/.prefect")
SAID = {".env": r"^\s*(export\s+)?PREFECT_HOME\s*=", "prefect.toml": r"^\s*home\s*="}


def keep_prefect_here(settings: Settings) -> str:
    """Set PREFECT_HOME to a folder under EVERGREEN_HOME, unless somebody has said where; before Prefect is imported.

    Profiles stay where `prefect config set` writes them.

    Args:
        settings: say where EVERGREEN_HOME is.

    Returns:
        What a person should know: that Prefect was used before, and how to go on with what it kept; else "".
    """
    if "PREFECT_HOME" in os.environ or any(_says(Path(file), pattern) for file, pattern in SAID.items()):
        return ""
    usual, here = USUAL.expanduser(), settings.home / "prefect"
    is_new = not (here / "prefect.db").exists()
    here.mkdir(parents=True, exist_ok=True)  # Prefect's temporary server does not make it
    os.environ["PREFECT_HOME"] = str(here)
    os.environ.setdefault("PREFECT_PROFILES_PATH", str(usual / "profiles.toml"))
    if not is_new or not (usual / "prefect.db").exists():
        return ""
    return f"Prefect keeps its runs in {here} from now on; to go on with those in {usual}: export PREFECT_HOME={usual}"


def _says(file: Path, pattern: str) -> bool:
    return file.is_file() and bool(re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE))
