"""A real Redis server for tests: Debian's, on a free port of this machine, in a folder that is thrown away."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import ConnectionError as NotThere
from redis import Redis


@contextmanager
def running_redis(folder: Path) -> Iterator[tuple[Redis, str]]:
    """The server's client and address; its socket is `folder/redis.sock`."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server is not here: install it, as .ci/run does")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder))
    command = [program, *where, "--unixsocket", str(folder / "redis.sock"), "--save", ""]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        client = Redis(port=port)
        _wait(client)
        yield client, f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(client: Redis) -> None:
    """Until it answers."""
    for _ in range(200):
        try:
            client.ping()
        except NotThere:
            time.sleep(0.05)
        else:
            return
    pytest.fail("redis-server does not answer")
