"""Pages of the Prefect UI may reach nothing but their own server; tests/cli/test_up.py sees that in a browser."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from cli.private_server import APP, PROCESS, Private, Receive, Scope, Send
from cli.supervisor import end_left_over


async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application with one page."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"page"})


def test_every_answer_says_what_its_page_may_reach() -> None:
    """Its own headers stay, and so does everything else that is sent."""
    sent: list[Scope] = []

    async def send(message: Scope) -> None:
        sent.append(message)

    async def receive() -> Scope:
        return {}

    asyncio.run(Private(page)({"type": "http"}, receive, send))
    start, body = sent
    headers = dict(start["headers"])
    assert headers[b"x-own"] == b"1"
    policy = headers[b"content-security-policy"].decode()
    assert {"default-src 'self'", "connect-src 'self'"} <= set(policy.split("; "))
    assert "http" not in policy, "no place outside is named"
    assert headers[PROCESS.encode()] == str(os.getpid()).encode()
    assert body["body"] == b"page"


def test_the_server_of_a_killed_up_is_ended_too(tmp_path: Path) -> None:
    """It is known by its command, which is another one than the worker's."""
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", APP], start_new_session=True)
    noted = tmp_path / "up.pids"
    noted.write_text(f"{left.pid}")
    assert end_left_over(noted) == 1
    left.wait(10)
