"""The work folder of one training: a later process with the same task goes on in it, or takes what is done."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from pydantic import TypeAdapter, ValidationError

from evergreen_client.durable import TEMPORARY, written_whole
from learning.data import PartitionFile
from learning.digests import json_digest
from learning.environment import code_digest, custom_digest, environment
from learning.files import Trained, locked
from learning.keras_private import own_random_numbers
from learning.multi_output import MultiOutput
from learning.objectives import Objective
from learning.plans import FineTune, FromScratch, Pretrain
from learning.spec import DriftPolicy, Gate, ModelSpec, RetrainPolicy
from learning.thresholds import costs_record

Plan = Pretrain | FineTune | FromScratch | DriftPolicy | RetrainPolicy | Gate
LOCK = "lock"
DONE = "trained.json"
TASK = "task.json"
KEPT_DAYS = 45  # a killed monthly run is resumed by the next one


def plan_of(plan: Plan | Objective) -> dict[str, Any]:
    """A frozen plan, policy or objective as JSON can hold it; functions by their names."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(plan), default=_name_of))
    if isinstance(plan, MultiOutput):
        for one, output in zip(plan.outputs, plain["outputs"], strict=True):
            output["objective"] = plan_of(one.objective)
    return {"kind": type(plan).__name__, **plain}


def record_of(plan: Pretrain | FineTune, seed: int, **more: Any) -> dict[str, Any]:
    """A training as a version remembers it: plan, seed, and what else was asked for, as JSON can hold it."""
    asked = {name: value for name, value in more.items() if value is not None}
    return {**plan_of(plan), "seed": seed, **json.loads(json.dumps(asked, default=str))}


def task_digest(
    spec: ModelSpec, plan: dict[str, Any], files: Sequence[str], partitions: Sequence[Sequence[PartitionFile]]
) -> str:
    """What a training depends on, seed and plan as they are recorded: two with the same digest give the same model."""
    rows = [[partition.digest for partition in group] for group in partitions]
    code = code_digest(spec), custom_digest()
    return json_digest([plan, code, list(files), rows, environment(), *costs_record(spec)])


def train_once(work: Path, task: str, train: Callable[[], Trained]) -> Trained:
    """Train in a folder, or take what the same task gave when it was finished there before.

    Of two processes with the same task one trains, and the other waits and takes what it made.

    Args:
        work: the folder; made where it is not there.
        task: digest of all that the result depends on.
        train: leaves its checkpoints in the folder, and goes on from them.
    """
    work.mkdir(parents=True, exist_ok=True)
    with locked(work / LOCK), own_random_numbers():
        _clear(work, task)
        trained = _load(work / DONE)
        if trained is None:
            trained = train()
            with written_whole(work / DONE) as temporary:
                temporary.write_bytes(_trained().dump_json(trained))
            for checkpoint in work.glob("*.npz"):
                checkpoint.unlink()
    return trained


def _clear(work: Path, task: str) -> None:
    """Delete what another task, or a process that was killed while it wrote, left in the folder."""
    marker = work / TASK
    if not marker.exists() or marker.read_text() != task:
        # The results go before the new task is noted: a process that is killed between the two clears again. The
        # other way round, the next one would take another task's results for its own.
        for leftover in [work / DONE, *work.glob("*.npz"), *work.glob("*.keras")]:
            leftover.unlink(missing_ok=True)
        with written_whole(marker) as temporary:
            temporary.write_text(task)
    for torn in work.glob(f"*{TEMPORARY}*"):
        torn.unlink(missing_ok=True)


def remove_old(root: Path, days: int = KEPT_DAYS) -> None:
    """Remove the folders in `root` that no training wrote to for so long; what they led to is in the registry."""
    oldest = time.time() - days * 24 * 3600
    for folder in root.glob("*/"):
        with suppress(FileNotFoundError):  # another process removes it too
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


@cache
def _trained() -> TypeAdapter[Trained]:
    """What reads and writes results, made once: that takes longer than to read one."""
    return TypeAdapter(Trained)


def _load(path: Path) -> Trained | None:
    """What was trained; None where a file of it is not there or torn, so that it is trained (again)."""
    try:
        trained = _trained().validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return trained if is_zipfile(trained.files.base) and is_zipfile(trained.files.head) else None


def _name_of(value: Any) -> str:
    return str(getattr(value, "__qualname__", value))
