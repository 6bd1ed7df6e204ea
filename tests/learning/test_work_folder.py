"""The folders that trainings leave behind."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from learning.metrics import Cost
from learning.spec import Gate
from learning.work_folder import remove_old, task_digest
from tests.support.tiny import TINY


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


def test_other_costs_are_another_training() -> None:
    """Its threshold would be another; of other settings of the gate, what was trained depends on none."""
    gates = Gate(), Gate(min_rows=7), Gate(metric=Cost(((0, 1), (9, 0)))), Gate(metric=Cost(((0, 1), (5, 0))))
    tasks = [task_digest(replace(TINY, gate=gate), {}, (), []) for gate in gates]
    assert tasks[0] == tasks[1]
    assert len(set(tasks)) == 3


def test_no_folder_yet_is_nothing_to_remove(tmp_path: Path) -> None:
    """The first training of a model finds no work folder."""
    remove_old(tmp_path / "none")
