"""A run's lease: its process says that it lives, so that who looks for killed runs can tell them from the living."""

from __future__ import annotations

import fcntl
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO

from db.records import RunRecord
from db.registry import ModelRegistry
from errors import RegistryError

SECONDS_BETWEEN_BEATS = 10.0  # a sixth of the lease: some may fail before anybody takes the run for killed
LOGGER = logging.getLogger(__name__)


@contextmanager
def kept_alive(registry: ModelRegistry, run: RunRecord, folder: Path) -> Iterator[None]:
    """Extend a run's lease while the block runs, and hold the lock of its file on this machine.

    The registry is seen from all machines, but only the lock, which the operating system frees, is known at once.

    Args:
        registry: where the run is open.
        run: the run.
        folder: where this machine keeps the files of what runs.
    """
    ended = Event()
    beating = Thread(target=_beat, args=(registry, run.id, ended), daemon=True, name=f"lease of run {run.id}")
    path = _lock_path(folder, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{os.getpid()}\n")
        file.flush()
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()
            path.unlink(missing_ok=True)


def process_of(folder: Path, run: RunRecord) -> int | None:
    """The process in which an open run lives on this machine; None if it is not known to live here."""
    alive, process = _look(_lock_path(folder, run))
    return process if alive else None


def is_dead_here(folder: Path, run: RunRecord) -> bool:
    """Whether an open run was begun on this machine, and its process is gone."""
    alive, _ = _look(_lock_path(folder, run))
    return alive is False


def has_process(flow_run_id: str) -> bool:
    """Whether a worker has started a process for a flow run on this machine; False where the system has no /proc."""
    return any(one.get("PREFECT__FLOW_RUN_ID") == flow_run_id for _, one in _environments())


def processes_of_flow_runs(mark: str, value: str) -> set[int] | None:
    """The processes of flow runs on this machine that have a worker's mark; None where the system has no /proc.

    Args:
        mark: the name of a variable of the worker's environment, which they inherit.
        value: of that variable.
    """
    if not Path("/proc/self/environ").exists():
        return None
    marked = ((process, one) for process, one in _environments() if one.get(mark) == value)
    return {process for process, one in marked if "PREFECT__FLOW_RUN_ID" in one}


def forget(folder: Path, run: RunRecord) -> None:
    """Remove the file that a killed run left on this machine."""
    _lock_path(folder, run).unlink(missing_ok=True)


def is_locked(file: IO[str]) -> bool:
    """Whether another process, or another part of this one, holds a file's lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _environments() -> Iterator[tuple[int, dict[str, str]]]:
    """What each process on this machine that we may look at was started with."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has just ended, or is somebody else's
            pairs = path.read_bytes().decode(errors="replace").split("\0")
            yield int(path.parent.name), {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _look(path: Path) -> tuple[bool | None, int | None]:
    """Whether the run of a lock file is alive (None: nobody here knows), and its process."""
    try:
        with path.open() as file:
            process = file.readline().strip()
            # Written once the lock is held: an empty file is one whose run is just beginning.
            return (is_locked(file), int(process)) if process else (None, None)
    except FileNotFoundError:
        return None, None


def _lock_path(folder: Path, run: RunRecord) -> Path:
    # Machines may share the folder, while some file systems keep locks to one; several registries may share it too.
    return folder / f"{platform.node()}-{run.id}-{run.started_at:%Y%m%dT%H%M%S%f}.lock"


def _beat(registry: ModelRegistry, run_id: int, ended: Event) -> None:
    while not ended.wait(SECONDS_BETWEEN_BEATS):
        try:
            registry.extend_lease(run_id)
        except RegistryError as error:  # the run itself will meet it too, if it lasts
            LOGGER.warning("run %s could not extend its lease: %s", run_id, error)
