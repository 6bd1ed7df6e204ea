"""A running `evergreen up`, and what a test asks of its server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

PROJECT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
# Seconds between looks for runs that are due: Prefect's own 10 and 60 would be waited for again and again.
OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5"}

BUSY = 30  # seconds


class Up:
    """A running `evergreen up`, and what its server knows."""

    def __init__(self, process: subprocess.Popen[str], port: int, environment: dict[str, str]) -> None:
        self.process, self.url = process, f"http://127.0.0.1:{port}"
        self.environment = environment | {"PREFECT_API_URL": f"{self.url}/api"}

    def prefect(self, *words: str) -> None:
        """Run a Prefect command against the server."""
        subprocess.run([BIN / "prefect", *words], env=self.environment, cwd=PROJECT, check=True, capture_output=True)

    def found(self, what: str) -> list[dict[str, Any]]:
        """All the flow runs, or artifacts, or deployments, of the server."""
        return list(self.post(f"{what}/filter", {}))

    def post(self, place: str, body: object) -> Any:
        """What the server's API answers; asked again where its database is busy, as Prefect's own client does."""
        content = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/{place}", content, {"content-type": "application/json"})
        give_up = time.monotonic() + BUSY
        while True:
            try:
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)
            except HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > give_up:
                    raise
                time.sleep(1)

    def change(self, deployment: str, what: str, body: object) -> None:
        """Change something of a deployment."""
        (found,) = (one for one in self.found("deployments") if one["name"] == deployment)
        self.post(f"deployments/{found['id']}/{what}", body)

    def schedule(self, deployment: str, seconds: float) -> None:
        """Let a deployment have one more schedule: so many seconds from now, and every minute after that."""
        first = datetime.now(UTC) + timedelta(seconds=seconds)
        every = {"interval": 60, "anchor_date": first.isoformat()}
        self.change(deployment, "schedules", [{"active": True, "schedule": every}])
