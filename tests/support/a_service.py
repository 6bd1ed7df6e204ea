"""A service that knows nothing of Evergreen but its client: `python a_service.py ROWS.json`.

Serves the champion of `tiny` from two threads while a third one goes about its own business, sees that its process is
left as it was, and prints what it was answered as one JSON document.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy  # noqa: F401 - it gives its logger a level, which is no doing of the client's

import evergreen_client

LINES = 300
TURNS = 20


def state() -> dict[str, Any]:
    """What a library has no business changing. Loggers that are new must not have a level yet."""
    loggers = {name: logger for name, logger in logging.root.manager.loggerDict.items() if hasattr(logger, "level")}
    return {
        "gc": (gc.isenabled(), gc.get_freeze_count(), gc.get_threshold()),
        "levels": {"root": logging.root.level} | {name: log.level for name, log in loggers.items() if log.level},
        "disabled": logging.root.manager.disable,
        "stderr": os.fstat(2),
        "streams": (id(sys.stdout), id(sys.stderr)),
    }


def watch_environment(setters: list[str]) -> None:
    """Note which file sets each environment variable from now on; TensorFlow and Keras set some of their own."""

    def audit(event: str, _arguments: object) -> None:
        if event in {"os.putenv", "os.unsetenv"}:
            frame = sys._getframe(1)
            while frame.f_back is not None and Path(frame.f_code.co_filename).name in {"os.py", "<frozen os>"}:
                frame = frame.f_back
            setters.append(frame.f_code.co_filename)

    sys.addaudithook(audit)


def own_business(loading: threading.Event) -> None:
    """Write to standard error all the while that the champion is loaded, and import what the client does not need."""
    for line in range(LINES):
        os.write(2, f"line {line}\n".encode())
        loading.wait(0.01)
    importlib.import_module("pandas")
    importlib.import_module("sklearn.metrics")


def main() -> None:
    """Serve, compare, print."""
    rows = json.loads(Path(sys.argv[1]).read_text())
    setters: list[str] = []
    watch_environment(setters)
    before, modules = state(), dict(sys.modules)
    loading = threading.Event()
    with ThreadPoolExecutor(3) as threads:
        business = threads.submit(own_business, loading)
        with evergreen_client.load_champion("tiny") as champion:
            answers = [threads.submit(champion.predict, rows) for _ in range(TURNS)]
            refreshed = [threads.submit(champion.refresh) for _ in range(2)]
            said = {answer.result().tobytes().hex() for answer in answers}
            assert not any(turn.result() for turn in refreshed)
            number, reason = champion.number, champion.reason
        loading.set()
        business.result()
    after = state()
    assert after.pop("stderr").st_ino == before.pop("stderr").st_ino
    assert after == before, (before, after)
    assert all(sys.modules[name] is module for name, module in modules.items())
    assert all(module is not None for module in sys.modules.values())
    assert not any("evergreen_client" in setter for setter in setters), setters
    answer = {"answers": sorted(said), "number": number, "reason": reason, "file": evergreen_client.__file__}
    print(json.dumps(answer))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
