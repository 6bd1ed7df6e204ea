"""The Prefect server of `evergreen up`: how it is started, and how one knows that it is the one which answers."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING

from cli.private_server import APP, PROCESS
from errors import ServerFailed

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from cli.supervisor import Service

HOST = "127.0.0.1"
SECONDS = 300  # a cold server compiles its bytecode and migrates its database, also on a machine that is busy
# As `prefect server start` does it, but for the policy of its pages.
COMMAND = ("uvicorn", "--factory", APP, "--timeout-keep-alive", "5", "--log-level", "warning")


def refuse_taken(port: int) -> None:
    """Refuse a port that nothing can be served at.

    Raises:
        ServerFailed: another program has it, or only root may.
    """
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server: a closed one lingers for a while
        try:
            tried.bind((HOST, port))
        except PermissionError as error:
            raise ServerFailed(f"port {port}", "only root may serve at it", "choose another --port") from error
        except OSError as error:
            why = "something answers there already"
            raise ServerFailed(f"port {port}", why, "stop it, or choose another --port") from error


def process_at(url: str) -> int | None:
    """The process of the server that answers at an address; None if none does that an `evergreen up` started."""
    try:
        with urllib.request.urlopen(f"{url}/api/health", timeout=2) as answer:  # noqa: S310 - the address is our own
            number = answer.headers.get(PROCESS)
            return int(number) if number else None
    except (OSError, HTTPException):
        return None


def wait_until_answers(url: str, server: Service) -> None:
    """Wait for the server to be healthy: this one, for somebody else's may have been quicker at the port.

    Raises:
        ServerFailed: it ended, or takes too long.
    """
    deadline = time.monotonic() + SECONDS
    while not (server.process and process_at(url) == server.process.pid):
        if server.ended or time.monotonic() > deadline:
            raise ServerFailed("the Prefect server", "it did not start", "read its last lines above")
        time.sleep(0.2)


@contextmanager
def answering(url: str, refused: str) -> Iterator[None]:
    """Say in a sentence that a server does not answer, or lets nobody in; raises ServerFailed.

    Args:
        url: of its API.
        refused: what to do where it answers with an error.
    """
    from httpx import HTTPError, HTTPStatusError

    try:
        yield
    except HTTPStatusError as error:
        why = f"it answers {error.response.status_code} {error.response.reason_phrase}".rstrip()
        raise ServerFailed(f"the Prefect server at {url}", why, refused) from error
    except HTTPError as error:
        why = f"it gives no answer ({str(error) or type(error).__name__})"
        raise ServerFailed(
            f"the Prefect server at {url}", why, "start it, or set PREFECT_API_URL to another"
        ) from error


def client_of(url: str) -> SyncPrefectClient:
    """A client of the server at an address, with the user and password of Prefect's settings where it asks for them."""
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.settings import get_current_settings

    word = get_current_settings().api.auth_string
    return SyncPrefectClient(f"{url}/api", auth_string=word.get_secret_value() if word else None)
