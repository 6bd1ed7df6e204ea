"""The server of `evergreen up` is the one that answers, and a port that another program has is refused."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from cli.prefect_server import process_at, refuse_taken, wait_until_answers
from cli.private_server import PROCESS
from errors import ServerFailed


class Health(BaseHTTPRequestHandler):
    """Answers as the server of this process does."""

    mine = True

    def do_GET(self) -> None:
        """Answer, with the number of the process or without."""
        self.send_response(200)
        if self.mine:
            self.send_header(PROCESS, str(os.getpid()))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Stay quiet."""


class OfAnotherProgram(Health):
    """Answers as any web server may."""

    mine = False


@contextmanager
def answering(handler: type[Health]) -> Iterator[str]:
    """A web server; gives its address."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def no_web_server() -> Iterator[int]:
    """A program that knows no HTTP, as a database; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            with listening.accept()[0] as asked:
                asked.sendall(b"-ERR unknown command\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        yield listening.getsockname()[1]


def test_a_port_is_refused_that_any_program_has() -> None:
    """It need not know HTTP. Once it has ended, the port is free."""
    with no_web_server() as port:
        with pytest.raises(ServerFailed, match=rf"port {port}: something answers there already.*another --port"):
            refuse_taken(port)
        assert process_at(f"http://127.0.0.1:{port}") is None
    refuse_taken(port)


class OfRootAlone(socket.socket):
    """A socket for a port below 1024, to whoever is not root."""

    def bind(self, _address: object) -> None:
        """Refuse, as Linux does."""
        raise PermissionError(13, "Permission denied")


def test_a_port_that_only_root_may_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers there, and that is not what it says."""
    monkeypatch.setattr("cli.prefect_server.socket.socket", OfRootAlone)
    with pytest.raises(ServerFailed, match="port 80: only root may serve at it"):
        refuse_taken(80)


def test_somebody_elses_server_is_not_taken_for_ours() -> None:
    """Two that begin at once: the slower one's server ends, and it must not register its deployments at the other."""
    ended: Any = SimpleNamespace(ended=True, process=SimpleNamespace(pid=os.getppid()))
    ours: Any = SimpleNamespace(ended=False, process=SimpleNamespace(pid=os.getpid()))
    with answering(Health) as url:
        assert process_at(url) == os.getpid()
        wait_until_answers(url, ours)
        with pytest.raises(ServerFailed, match="the Prefect server: it did not start"):
            wait_until_answers(url, ended)
    with answering(OfAnotherProgram) as url:
        assert process_at(url) is None
