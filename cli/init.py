"""`evergreen init`: a repository of the user's own models, beside an installed Evergreen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from cli.printing import say
from cli.whole_files import write_whole
from errors import InvalidName

TEMPLATES = Path(__file__).with_name("new_repository")
WRITTEN = {
    "README.md": "README.md",
    "env.example": ".env.example",
    "gitignore": ".gitignore",
    "prefect.toml": "prefect.toml",
    "prefect.yaml": "prefect.yaml",
    "test_models.py.txt": "tests/test_models.py",
}


def init(folder: Annotated[Path, typer.Argument(help="The new folder, or an empty one.")]) -> None:
    """Write a repository for models of your own: settings, deployments, a first test, and room for models."""
    if folder.is_file() or (folder.is_dir() and any(entry.name != ".git" for entry in folder.iterdir())):
        why = "there are files in its place, and none of them is overwritten"
        raise InvalidName(f"folder '{folder}'", why, "name a folder that is new or empty")
    (folder / "models").mkdir(parents=True)
    (folder / "models/.gitkeep").touch()
    (folder / "tests").mkdir()
    for template, name in WRITTEN.items():
        write_whole(folder / name, (TEMPLATES / template).read_text(encoding="utf-8"))
    say(f"wrote {', '.join(sorted(WRITTEN.values()))} in {folder}")
    say(f"Next: cd {shlex.quote(str(folder))}; then, where FILE holds some rows of your data,")
    say("  evergreen new NAME --from FILE                 drafts a model, or")
    say("  evergreen adopt NAME mine.keras --data FILE    takes over a Keras model that you have")
