"""`evergreen online` as a command without a server: from its start to its end, with one event that it learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.claims import Claims

MODEL, HISTORY, NEXT = "flights", range(1, 9), 9
PAIRS, GOAL = 5, 1.5


def command(claims: Claims) -> None:
    """Time the command beside TensorFlow's import, in turn."""
    from demo.flights import flights_week

    with TemporaryDirectory() as folder:
        home, stream = Path(folder), Path(folder) / "events.jsonl"
        evergreen(home, "demo", "data", "--weeks", str(HISTORY[-1]))
        evergreen(home, "bootstrap", MODEL)
        imports, commands = list[float](), list[float]()
        for event in flights_week(NEXT).head(PAIRS).to_dicts():
            imports.append(seconds([sys.executable, "-c", "import tensorflow"], home))
            with stream.open("a") as file:
                file.write(json.dumps(event, default=str) + "\n")
            commands.append(evergreen(home, "online", MODEL, "--from", str(stream), "--minutes", "0"))
    claims.show("TensorFlow's import", median(imports), "s")
    by_import = median(ours / theirs for ours, theirs in zip(commands, imports, strict=True))
    claims.at_most("`evergreen online`, one event, from start to end: by TensorFlow's import", by_import, GOAL)


def evergreen(home: Path, *words: str) -> float:
    """Seconds of a command."""
    return seconds([sys.executable, "-m", "cli.main", *words], home)


def seconds(command: list[str], home: Path) -> float:
    """Seconds of a process of its own, without a server."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment | {"EVERGREEN_HOME": str(home)})
    return time.perf_counter() - begin
