"""The folders that trainings leave behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

from learning.work_folder import remove_old


def test_folders_that_no_training_wrote_to_for_weeks_go(tmp_path: Path) -> None:
    """Every retrain leaves a head behind, some a base too; a killed one may still be resumed."""
    for name, days in {"old": 46, "young": 44}.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "base.keras").write_bytes(b"base")
        then = time.time() - days * 24 * 3600
        os.utime(folder, (then, then))
    remove_old(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_no_folder_yet_is_nothing_to_remove(tmp_path: Path) -> None:
    """The first training of a model finds no work folder."""
    remove_old(tmp_path / "none")
