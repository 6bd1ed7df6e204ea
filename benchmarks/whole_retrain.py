"""The whole retrain of flights beside a bare script of the same job: `python -m benchmarks.whole_retrain`.

Both learn the same five weeks (10 epochs, batches of 256) from the same version 1, as one process each, in turn;
ours on a running Prefect server, with its registry, checks, gate and report. A refused challenger is trained once; one
that is promoted a second time, on everything, and the gate is made to do either.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError

from benchmarks.claims import Claims
from settings import get_settings

PORT = 4973
HISTORY, MARCH = range(1, 9), range(9, 14)
ROUNDS = 3
EPOCHS, BATCH = 10, 256
SERVER_SECONDS = 120
GOAL = 0.8
ENDINGS: dict[str, dict[str, Any]] = {
    "refused": {"min_gain": 0.9},
    "promoted": {"rule": "not worse", "min_gain": -0.9, "max_forgetting": 9.0},
}


def main() -> int:
    """Measure the claim; 1 if it does not hold."""
    claims = Claims()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        with prefect_server(root) as environment:
            run(environment, "benchmarks.whole_retrain", "--bootstrap")
            shutil.copytree(root / "home", root / "start")
            files = sorted((root / "home" / "artifacts").rglob("*.keras"), key=lambda path: -path.stat().st_size)
            folders = [root / name for name in ("past", "march", "out")]
            land(folders[0], HISTORY)
            land(folders[1], MARCH)
            folders[2].mkdir()
            bare, ours = list[float](), {ending: list[float]() for ending in ENDINGS}
            for _ in range(ROUNDS):
                past, march = folders[0] / "flights", folders[1] / "flights"
                bare.append(seconds(environment, "benchmarks.bare_retrain", *files[:2], past, march, folders[2]))
                for ending, spent in ours.items():
                    afresh(root)
                    land(root / "home" / "landing", MARCH)
                    spent.append(seconds(environment, "benchmarks.whole_retrain", f"--{ending}"))
            print("claim | measured | goal | holds\n--- | --- | --- | ---")
            for ending, spent in ours.items():
                claims.at_most(f"a whole retrain, {ending}, by a bare script", median(spent) / median(bare), GOAL)
    return claims.exit_code


def bootstrap() -> None:
    """Version 1 of flights from the first eight weeks."""
    from flows.bootstrap import bootstrap as flow

    land(Path(get_settings().landing), HISTORY)
    flow("flights")


def retrain(ending: str, epochs: int = EPOCHS) -> None:
    """The command, with a plan that is the bare script's, and a gate that lets this come of it."""
    from cli.main import retrain as command
    from learning.plans import Replay, Stage
    from learning.schedules import constant
    from learning.spec import Gate
    from models import flights

    stage = Stage(epochs=epochs, patience=epochs, batch_size=BATCH, learning_rate_scale=1.0, schedule=constant)
    plan = replace(flights.spec.finetune, stages=(stage,), replay=Replay(share=0.0))
    flights.spec = replace(flights.spec, finetune=plan, gate=Gate(**ENDINGS[ending]))
    command("flights")


@contextmanager
def prefect_server(root: Path) -> Iterator[dict[str, str]]:
    """A Prefect server of its own, stopped in the end; gives the environment of processes that use it."""
    environment = os.environ | {
        "EVERGREEN_HOME": str(root / "home"),
        "PREFECT_HOME": str(root / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{PORT}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "DO_NOT_TRACK": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(PORT)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + SERVER_SECONDS
        while not answers():
            if time.monotonic() > give_up or server.poll() is not None:
                raise SystemExit("the Prefect server did not start")
            time.sleep(0.5)
        yield environment
    finally:
        server.terminate()
        server.wait()


def answers() -> bool:
    """Whether the server is there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/health", timeout=1):
            return True
    except (URLError, OSError):
        return False


def land(landing: Path, weeks: range) -> None:
    """Write weeks of flights where they arrive, with times that say they are settled."""
    from demo.demos import FLIGHTS

    for file in FLIGHTS.write(landing, weeks):
        os.utime(file, (1, 1))


def afresh(root: Path) -> None:
    """Evergreen's home as it was after the bootstrap, without the files that were taken."""
    shutil.rmtree(root / "home")
    shutil.copytree(root / "start", root / "home", ignore=shutil.ignore_patterns("landing"))


def run(environment: dict[str, str], module: str, *arguments: str) -> str:
    """A module in a process of its own; its output."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def seconds(environment: dict[str, str], module: str, *arguments: object) -> float:
    """How long a module runs as a process of its own."""
    started = time.perf_counter()
    command = [sys.executable, "-m", module, *map(str, arguments)]
    subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
    spent = time.perf_counter() - started
    print(f"{module}: {spent:.1f} s", file=sys.stderr)
    return spent


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--bootstrap"]:
            bootstrap()
        case [ending]:
            retrain(ending.removeprefix("--"))
        case _:
            sys.exit(main())
