"""kill -9 at every point of storing, registering and promoting a version: `python fatal.py DATABASE_URL FOLDER`.

Each trial is a fork of a process that has imported everything and opened nothing. Its N-th step, a file operation
or a statement, is its last. Then another fork looks at what is left. Prints one JSON document about all trials.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec.implementations.local  # noqa: F401 - imported before forking, like everything else
import psycopg  # noqa: F401
from filled import MODEL, model_names
from sqlalchemy import Engine, event
from sqlalchemy.dialects import postgresql, sqlite  # noqa: F401

from db.artifacts import ArtifactStore
from db.garbage import collect, orphans
from db.records import NewVersion
from db.registry import open_registry

FILE_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.utime"}


def publish(url: str, folder: Path, turn: int) -> None:
    """What the last steps of a retrain do: store base and head, register the version, promote it."""
    store = ArtifactStore(str(folder / "artifacts"), folder / "cache")
    base, head = folder / "base.bin", folder / f"head-{turn}.bin"
    base.write_bytes(b"base" * 1000)
    head.write_bytes(b"head %d" % turn * 1000)
    with open_registry(url) as registry:
        registry.add_model(MODEL)
        champion = registry.find_champion(MODEL)
        version = registry.register(
            NewVersion(
                MODEL,
                run_id=None,
                parent=champion.number if champion else None,
                base=store.put(base, kind="base", digest="base"),
                head=store.put(head, kind="head", digest=f"head-{turn}"),
                metrics={"log_loss": 1 / (turn + 1)},
            )
        )
        seen = registry.sequence(MODEL)
        registry.promote(MODEL, version.number, seen=seen, kind="promote", actor="test", reason=f"turn {turn}")


def die_at(step: int) -> None:
    """Make the N-th file operation or statement from here on this process's last one."""
    left = step

    def count(*_args: object, **_more: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        if name in FILE_EVENTS and "artifacts" in str(arguments[0]):
            count()

    def counted(function: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            count()
            function(descriptor)
            count()

        return call

    sys.addaudithook(audit)
    os.fsync = counted(os.fsync)
    for moment in ("before_cursor_execute", "commit"):
        event.listen(Engine, moment, count)


def look(url: str, folder: Path) -> dict[str, Any]:
    """Open what is left, and see that nothing of it is half."""
    store = ArtifactStore(str(folder / "artifacts"), folder / "cache")
    with open_registry(url) as registry:
        if MODEL not in model_names(registry):
            return {"versions": 0, "sequence": 0, "champion": None, "orphans": 0}
        versions = sorted(version.number for version in registry.versions(MODEL))
        assert versions == list(range(1, len(versions) + 1)), versions
        history = registry.promotions(MODEL)
        assert [p.sequence for p in history] == list(range(1, len(history) + 1))
        champion = registry.find_champion(MODEL)
        assert (champion.number if champion else None) == (history[-1].number if history else None)
        found = orphans(registry, store, timedelta(0))
        assert collect(registry, store, timedelta(0)) == found
        assert orphans(registry, store, timedelta(0)) == ()
        for number in versions:
            store.fetch_version(registry.version(MODEL, number))
        return {
            "versions": len(versions),
            "sequence": len(history),
            "champion": champion.number if champion else None,
            "orphans": len(found),
        }


def in_fork(work: Callable[[], object]) -> tuple[int, str]:
    """Run something in a fork; returns how it ended, and what it returned as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(work()).encode())
        except BaseException:  # noqa: BLE001 - a fork must not go on as if it were its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), answer


def main(url: str, folder: Path) -> None:
    """Kill at step 1, 2, 3 … until the work survives.

    On PostgreSQL at every third: half of the steps are of files, and what the database does not commit is gone alike.
    """
    every = 1 if url.startswith("sqlite") else 3
    trials: list[dict[str, Any]] = []
    in_fork(lambda: publish(url, folder, 0))
    while True:
        step = len(trials) * every + 1

        def work(step: int = step) -> None:
            die_at(step)
            publish(url, folder, step)

        ending, _ = in_fork(work)
        looked, answer = in_fork(lambda: look(url, folder))
        if looked != 0 or ending not in {0, -signal.SIGKILL}:
            sys.exit(f"step {step}: the work ended with {ending}, the look afterwards with {looked}")
        if ending == 0:
            break
        trials.append(json.loads(answer))
    print(json.dumps(trials))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
