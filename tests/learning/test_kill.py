"""kill -9 while a model learns."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from learning.data import PartitionFile
from learning.files import Trained
from learning.spec import ModelSpec

CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from conftest import SPEC
from learning.plans import FineTune, Replay, Stage
from learning.data import PartitionFile
from learning.files import ModelFiles
from learning.finetuning import finetune
from learning import loop

moment, work = sys.argv[1:]
def save(path, state, variables, best, original=loop.save_checkpoint):
    if state.epoch == 3 and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    original(path, state, variables, best)
    if state.epoch == 3 and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)

loop.save_checkpoint = save
champion = ModelFiles(Path({base!r}), Path({head!r}), {base_digest!r}, {head_digest!r})
new, old = PartitionFile("new", Path({new!r})), PartitionFile("old", Path({old!r}))
plan = FineTune(stages=(Stage(epochs=5, patience=9, batch_size=4, learning_rate=0.05),), replay=Replay(share=1.0))
folders = {{"cache": Path(work) / "cache", "work": Path(work) / "work"}}
trained = finetune(SPEC, champion, [new], [old], **folders, seed=1, plan=plan)
print(len(trained.epochs), trained.files.head_digest)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_process_goes_on_to_the_same_bits(
    spec: ModelSpec, champion: Trained, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """SIGKILL just before an epoch's checkpoint, and in the next process just after it; the third one ends.

    What it ends with is what an undisturbed one ends with.
    """
    files = champion.files
    code = CHILD.format(
        folder=str(Path(__file__).parent),
        base=str(files.base),
        head=str(files.head),
        base_digest=files.base_digest,
        head_digest=files.head_digest,
        new=str(history[0].path),
        old=str(history[1].path),
    )

    def child(moment: str, work: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, moment, str(tmp_path / work)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    whole = child("never", "whole")
    assert whole.returncode == 0, whole.stderr
    for moment in ("before", "after"):
        killed = child(moment, "killed")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = child("never", "killed")
    assert again.returncode == 0, again.stderr
    assert again.stdout == whole.stdout
