"""A receiver of webhooks on this machine: an HTTP server that keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OFFERING = "approve", "retrain-flights"


class Receiver:
    """What a receiver was sent, each as (headers, body), and how it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer = 200
        self.url = ""

    @property
    def bodies(self) -> list[Any]:
        """What it was sent, as JSON."""
        return [json.loads(body) for _, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of the loopback, until the block ends."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(receiver.answer)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook?token=abcdefgh"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def notify(server: str, url: str) -> None:
    """Let blocks of both kinds be told on a Prefect server, one as `evergreen up` does, the other beside it."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.blocks.webhook import Webhook
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from cli.notifying import automation, find_block, keep_notifying

    said = {"subject": "{{subject}}", "body": "{{body}}"}
    with temporary_settings({PREFECT_API_URL: f"{server}/api"}), SyncPrefectClient(f"{server}/api") as client:
        assert not keep_notifying(client, "custom-webhook/ops"), "there is no such block yet"
        CustomWebhookNotificationBlock(name="ops", url=url, json_data=said).save("ops")
        Webhook(url=url).save("called")
        called = find_block(client, "webhook/called")
        assert called
        client.create_automation(automation(called).model_copy(update={"name": "called"}))
        for _ in range(2):
            assert keep_notifying(client, "custom-webhook/ops")
        assert len(client.read_automations_by_name("evergreen: notify")) == 1


def choices(server: str) -> dict[str, list[str]]:
    """The models that two deployments of a Prefect server offer."""
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(f"{server}/api") as client:
        found = {name: client.read_deployment_by_name(f"{name.split('-')[0]}/{name}") for name in OFFERING}
    return {name: one.parameter_openapi_schema["properties"]["model"]["enum"] for name, one in found.items()}


def is_refused(server: str, deployment: str, parameters: dict[str, Any]) -> bool:
    """Whether a Prefect server takes no run of a deployment with these parameters."""
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.exceptions import PrefectHTTPStatusError

    with SyncPrefectClient(f"{server}/api") as client:
        found = client.read_deployment_by_name(deployment)
        try:
            client.create_flow_run_from_deployment(found.id, parameters=parameters)
        except PrefectHTTPStatusError:
            return True
    return False
