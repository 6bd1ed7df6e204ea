"""`evergreen up`: a Prefect server, the deployments of prefect.yaml and a worker, until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer

from cli.printing import say
from errors import ServerFailed

HOST = "127.0.0.1"
SERVER_SECONDS = 120  # a cold server compiles its bytecode and migrates its database
STOP_SECONDS = 20


def up(
    port: Annotated[int, typer.Option(help="Port of the server and its UI, on 127.0.0.1.")] = 4200,
) -> None:
    """Start the Prefect server and UI, register the deployments, and work on their runs until Ctrl-C."""
    check_deployments(Path("prefect.yaml"))
    url = f"http://{HOST}:{port}"
    environment = os.environ | {"PREFECT_API_URL": f"{url}/api", "PREFECT_UI_URL": url}
    if answers(url):
        raise ServerFailed(f"port {port}", "something answers there already", "stop it, or choose another --port")
    started: list[subprocess.Popen[bytes]] = []
    for signal_number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore SIGINT by default
        signal.signal(signal_number, interrupt)
    try:
        say(f"starting the Prefect server on {url} …")
        started.append(prefect(environment, "server", "start", "--host", HOST, "--port", str(port)))
        wait_until_answers(url, started[0])
        say("registering the deployments …")
        run_prefect(environment, "work-pool", "create", "local", "--type", "process", "--overwrite")
        run_prefect(environment, "--no-prompt", "deploy", "--all")
        started.append(prefect(environment, "worker", "start", "--pool", "local", "--name", "local-worker"))
        say(f"\nReady. The UI is at {url} - Ctrl-C stops everything.")
        say(f"In another terminal: export PREFECT_API_URL={url}/api\n")
        while all(process.poll() is None for process in started):
            time.sleep(0.5)
        raise ServerFailed("the server or its worker", "it stopped by itself", "read its last lines above")
    except KeyboardInterrupt:
        say("\nstopping …")
    finally:
        stop(started)


def check_deployments(file: Path) -> None:
    """Refuse a folder without deployments: Prefect would find nothing to register only after it has started."""
    if not file.exists():
        fix = "change into the project's folder, or make one: evergreen init FOLDER"
        raise ServerFailed(f"folder {Path.cwd()}", "it has no prefect.yaml", fix)
    if not re.search(r"^ *entrypoint:", file.read_text(encoding="utf-8"), re.MULTILINE):
        raise ServerFailed(f"{file}", "it has no deployments yet", "add a model: evergreen new NAME --from FILE")


def interrupt(_signal: int, _frame: object) -> None:
    """Stop on a polite kill as on Ctrl-C, so that the children are stopped too."""
    raise KeyboardInterrupt


def prefect(environment: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    """Start a Prefect command in a session of its own: Ctrl-C reaches us alone, and we stop it in order."""
    return subprocess.Popen([sys.executable, "-m", "prefect", *words], env=environment, start_new_session=True)


def run_prefect(environment: dict[str, str], *words: str) -> None:
    """Run a Prefect command to its end; what it prints is shown only if it fails."""
    command = [sys.executable, "-m", "prefect", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        say(done.stdout + done.stderr, err=True)
        raise ServerFailed(f"prefect {' '.join(words)}", f"it ended with {done.returncode}", "see its output above")


def answers(url: str) -> bool:
    """Whether a Prefect server, or anything, answers at the address."""
    try:
        with urllib.request.urlopen(f"{url}/api/health", timeout=2):  # noqa: S310 - the address is our own
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_until_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait for the server to be healthy."""
    deadline = time.monotonic() + SERVER_SECONDS
    while not answers(url):
        if server.poll() is not None or time.monotonic() > deadline:
            raise ServerFailed("the Prefect server", "it did not start", "read its last lines above")
        time.sleep(0.5)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Stop the worker first, so that it can still tell the server; then the server. Politely, then for sure."""
    for process in reversed(processes):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
