"""`evergreen register` asks the server of Prefect's settings, as they say, and tells in a sentence if that fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from cli.prefect_server import answering, client_of
from cli.register import register
from errors import ServerFailed

REFUSED: list[tuple[str, str | None]] = []


class Locked(BaseHTTPRequestHandler):
    """A server that lets nobody in, and remembers who asked for what."""

    def do_GET(self) -> None:
        """Refuse."""
        REFUSED.append((self.path, self.headers["Authorization"]))
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@pytest.fixture
def locked() -> Iterator[str]:
    """The address of one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that has a deployment to register."""
    (tmp_path / "prefect.yaml").write_text("deployments:\n  - name: one\n    entrypoint: flows.retrain.retrain\n")
    monkeypatch.chdir(tmp_path)


def test_a_server_that_does_not_answer_is_named() -> None:
    """One sentence, and no traceback."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api"
    with (
        temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(ServerFailed, match=f"the Prefect server at {url}.* gives no answer"),
    ):
        register()


def test_it_comes_with_the_password_of_the_settings(locked: str) -> None:
    """To the API where the address ends with a slash, too; and it says that it was not let in."""
    REFUSED.clear()
    settings = {PREFECT_API_URL: f"{locked}/api/", PREFECT_API_AUTH_STRING: "ada:secret"}
    with temporary_settings(settings), pytest.raises(ServerFailed, match="it answers 401") as refused:
        register()
    assert "secret" not in str(refused.value)
    assert all(path.startswith("/api/") and "/api/api" not in path for path, _ in REFUSED)
    assert any(header and header.startswith("Basic ") for _, header in REFUSED)


def test_so_does_what_looks_after_the_server_of_up(locked: str) -> None:
    """Else a server that asks for a password would end `evergreen up` with HTTP's words for it."""
    REFUSED.clear()
    with (
        temporary_settings({PREFECT_API_AUTH_STRING: "ada:secret"}),
        pytest.raises(ServerFailed, match=r"it answers 401 .* To fix it: ask Ada"),
        answering(locked, "ask Ada"),
        client_of(locked) as client,
    ):
        client.read_work_pool("local")
    assert any(header and header.startswith("Basic ") for _, header in REFUSED)
