"""The work folder of one training: a later process with the same task goes on in it, or takes what is done."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

from learning.environment import code_digest, custom_digest, environment
from learning.files import EpochValue, ModelFiles, Trained, locked, replace_durably

if TYPE_CHECKING:
    from learning.data import PartitionFile
    from learning.plans import FineTune, FromScratch, Pretrain
    from learning.spec import DriftPolicy, Gate, ModelSpec, RetrainPolicy

    Plan = Pretrain | FineTune | FromScratch | DriftPolicy | RetrainPolicy | Gate

LOCK = "lock"
DONE = "trained.json"
TASK = "task.json"
KEPT_DAYS = 45  # a killed monthly run is resumed by the next one


def plan_of(plan: Plan) -> dict[str, Any]:
    """A frozen plan or policy as JSON can hold it; functions by their names."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(plan), default=_name_of))
    return {"kind": type(plan).__name__, **plain}


def task_digest(
    spec: ModelSpec, plan: dict[str, Any], files: Sequence[str], partitions: Sequence[Sequence[PartitionFile]]
) -> str:
    """What a training depends on, seed and plan as they are recorded: two with the same digest give the same model."""
    rows = [[partition.digest for partition in group] for group in partitions]
    code = code_digest(spec), custom_digest()
    task = json.dumps([plan, code, list(files), rows, environment()], sort_keys=True)
    return hashlib.sha256(task.encode()).hexdigest()


def enter(work: Path, task: str) -> Trained | None:
    """Make the folder ready for a task; what an interrupted run of another task left in it is deleted.

    Returns:
        What the same task gave when it was finished before, or None.
    """
    marker = work / TASK
    if not marker.exists() or marker.read_text() != task:
        for leftover in [work / DONE, *work.glob("*.npz"), *work.glob("*.keras")]:
            leftover.unlink(missing_ok=True)
        _write_text(marker, task)
    for torn in work.glob("*.tmp*"):
        torn.unlink(missing_ok=True)
    return _load(work / DONE) if (work / DONE).exists() else None


def remove_old(root: Path, days: int = KEPT_DAYS) -> None:
    """Remove the folders in `root` that no training wrote to for so long; what they led to is in the registry."""
    oldest = time.time() - days * 24 * 3600
    for folder in root.glob("*/"):
        with suppress(FileNotFoundError):  # another process removes it too
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone_in(work: Path) -> Iterator[None]:
    """Hold the folder: of two processes with the same task one trains, and the other takes what it made."""
    work.mkdir(parents=True, exist_ok=True)
    with locked(work / LOCK):
        yield


def finish(work: Path, trained: Trained) -> Trained:
    """Note the result, so that the same task is not trained again."""
    _write_text(work / DONE, json.dumps(asdict(trained), default=str))
    for checkpoint in work.glob("*.npz"):
        checkpoint.unlink()
    return trained


def _load(path: Path) -> Trained | None:
    """What was trained; None where a file of it is gone or torn, so that it is trained again."""
    try:
        fields = json.loads(path.read_text())
        files = fields["files"]
    except (ValueError, KeyError):
        return None
    paths = Path(files["base"]), Path(files["head"])
    if not all(is_zipfile(part) for part in paths):
        return None
    return Trained(
        files=ModelFiles(*paths, files["base_digest"], files["head_digest"]),
        epochs=tuple(EpochValue(**point) for point in fields["epochs"]),
        replayed=tuple(fields["replayed"]),
        plan=fields["plan"],
        reason=fields["reason"],
    )


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(text)
    replace_durably(temporary, path)


def _name_of(value: Any) -> str:
    return str(getattr(value, "__qualname__", value))
