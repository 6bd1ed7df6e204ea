"""Where Prefect keeps its database: beside the registry, so that no two checkouts of one user share it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cli.printing import say

if TYPE_CHECKING:
    from settings import Settings

USUAL = Path("~/.prefect")
SAID = {".env": r"^\s*(export\s+)?PREFECT_HOME\s*=", "prefect.toml": r"^\s*home\s*="}

MOVED = (
    "Prefect keeps its runs in {here} from now on. Runs, schedules that somebody paused, and blocks in {usual} stay "
    "behind; to go on with them: export PREFECT_HOME={usual}"
)


def keep_prefect_here(settings: Settings) -> None:
    """Set PREFECT_HOME to a folder under EVERGREEN_HOME, unless somebody has said where; before Prefect is imported.

    Profiles stay where `prefect config set` writes them. Where Prefect was used before, a sentence on stderr says once
    how to go on with what it kept: by whichever command makes the folder.

    Args:
        settings: say where EVERGREEN_HOME is.
    """
    if "PREFECT_HOME" in os.environ or any(_says(Path(file), pattern) for file, pattern in SAID.items()):
        return
    usual, here = USUAL.expanduser(), settings.home / "prefect"
    is_new = not here.exists()
    here.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(here)
    os.environ.setdefault("PREFECT_PROFILES_PATH", str(usual / "profiles.toml"))
    if is_new and (usual / "prefect.db").exists():
        say(MOVED.format(here=here, usual=usual), err=True)


def _says(file: Path, pattern: str) -> bool:
    return file.is_file() and bool(re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE))
