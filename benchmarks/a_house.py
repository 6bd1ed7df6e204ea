"""A project of its own with `evergreen up` at work in it, for benchmarks of what runs for months."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from db.registry import ModelRegistry, open_registry
from settings import Settings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from benchmarks.a_database import Database

PORT = 4974
MODEL = "small"
BIN = Path(sys.executable).parent
START = datetime(2026, 1, 5, tzinfo=UTC)
EMPTY = "from prefect import flow\n\n\n@flow(name='empty')\ndef empty() -> None:\n    pass\n"
EMPTY_DEPLOYMENT = "\n  - name: empty\n    entrypoint: empty.empty\n    tags: [evergreen]\n    work_pool: *local\n"


class House:
    """The project's folder, its registry (in an SQLite file, or the database), and the server of its `evergreen up`."""

    def __init__(self, root: Path, environment: dict[str, str], database: Database | None = None) -> None:
        self.folder, self.environment, self.database = root / "project", environment, database
        self.settings = Settings(home=root / "home", database_url=database.url if database else "")
        self.log = root / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.weeks = 0

    def evergreen(self, *words: str) -> str:
        """Run a command in the project's folder; its output."""
        command = [BIN / "evergreen", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def begin(self) -> float:
        """Start `evergreen up`; seconds until it is ready."""
        before, started = self.log.stat().st_size if self.log.exists() else 0, time.perf_counter()
        with self.log.open("ab") as log:
            command = [BIN / "evergreen", "up", "--port", str(PORT)]
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        wait(lambda: b"Ready." in self.log.read_bytes()[before:], 300, "`evergreen up` is ready")
        return time.perf_counter() - started

    def register(self) -> None:
        """Register the deployments on the server that runs."""
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
        url = {"PREFECT_API_URL": f"http://127.0.0.1:{PORT}/api"}
        subprocess.run(command, cwd=self.folder, env=self.environment | url, check=True, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        """Stop it as Ctrl-C does."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120)

    def registry(self) -> ModelRegistry:
        """Open the registry."""
        return open_registry(self.settings.database_url)

    def client(self) -> Any:
        """Open a client of the server."""
        from cli.prefect_server import client_of

        return client_of(f"http://127.0.0.1:{PORT}")

    def services(self) -> list[int]:
        """The processes of server and worker, as `up` notes them; fewer while one starts again."""
        noted = self.settings.running / f"up-{PORT}.pids"
        return [int(number) for number in noted.read_text().split()] if noted.exists() else []

    def land(self, rows: int = 200) -> None:
        """Let the next week's file land."""
        draw, first = np.random.default_rng(self.weeks), START + timedelta(weeks=self.weeks)
        speed = draw.normal(0, 1, rows)
        late = (speed + draw.normal(0, 0.5, rows) > 0).astype(float)
        at = [first + timedelta(days=7) * place / rows for place in range(rows)]
        keys = [f"{self.weeks}-{number}" for number in range(rows)]
        folder = Path(self.settings.landing) / MODEL
        folder.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame({"at": at, "id": keys, "speed": speed, "late": late})
        frame.write_parquet(folder / f"{self.weeks:03}.parquet.part")
        (folder / f"{self.weeks:03}.parquet.part").rename(folder / f"{self.weeks:03}.parquet")
        self.weeks += 1

    def run(self, deployment: str, seconds: float = 300) -> FlowRun:
        """Start a run of a deployment, and wait for its end."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            begun = client.create_flow_run_from_deployment(found.id)
            now = partial(client.read_flow_run, begun.id)

            def ended() -> bool:
                return bool(now().state.is_final())

            wait(ended, seconds, f"{deployment} ended")
            return now()  # type: ignore[no-any-return]

    def seconds_of(self, run: FlowRun) -> float:
        """From when the worker took a run until its end: how long the worker waited before is chance."""
        with self.client() as client:
            states = client.read_flow_run_states(run.id)
        taken = next(state.timestamp for state in states if state.type == "PENDING")
        return float((states[-1].timestamp - taken).total_seconds())


@contextmanager
def house(root: Path, database: Database | None = None, **more: str) -> Iterator[House]:
    """Make a project with the small model and an empty flow, as a user does; `evergreen up` is stopped in the end."""
    ours = {"EVERGREEN_HOME": str(root / "home"), "PREFECT_HOME": str(root / "home/prefect"), "DO_NOT_TRACK": "1"}
    ours["EVERGREEN_DATABASE_URL"] = database.url if database else ""
    (root / "home/prefect").mkdir(parents=True)
    made = House(root, os.environ | ours | {"TF_CPP_MIN_LOG_LEVEL": "3"} | more, database)
    made.folder.mkdir()
    made.evergreen("init", ".")
    shutil.copy(Path(__file__).with_name("small.py"), made.folder / "models/small.py")
    made.evergreen("deploy", MODEL)
    (made.folder / "empty.py").write_text(EMPTY)
    with (made.folder / "prefect.yaml").open("a") as file:
        file.write(EMPTY_DEPLOYMENT)
    try:
        yield made
    finally:
        made.end()


def wait(until: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for something; how many seconds it took."""
    started = time.monotonic()
    while not until():
        if time.monotonic() - started > seconds:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - started
