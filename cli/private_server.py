"""Prefect's server, whose pages may reach nothing but the server itself.

Its newer UI asks a host of amplitude.com whenever a page is opened, also where analytics are off. A browser that is
told by a content security policy what a page may reach does not ask. `evergreen up` starts it; on a server of your own:

    python -m uvicorn --factory cli.private_server:create_app --host 127.0.0.1 --port 4200
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]

APP = "cli.private_server:create_app"  # in the command of the server's process
PROCESS = "evergreen-process"  # a header of every answer: the number of the process that gave it
REACH = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-eval'",  # the drawing of a run, and the form to start one, make functions
    "style-src": "'self' 'unsafe-inline'",  # both UIs write styles into their pages
    "img-src": "'self' data: blob:",  # artifacts may hold drawings
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'self'",
    "object-src": "'none'",
}
POLICY = "; ".join(f"{what} {where}" for what, where in REACH.items())
HEADERS = ((b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer"))


def create_app() -> Private:
    """Prefect's server as a factory of uvicorn's, as `prefect server start` makes it, behind the policy."""
    from prefect.server.api.server import create_app as prefects

    return Private(prefects(final=True))


class Private:
    """An ASGI application whose answers all carry the policy, and the number of its process."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app
        self.headers = (*HEADERS, (PROCESS.encode(), str(os.getpid()).encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and add the headers."""

        async def with_policy(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self.headers]
            await send(message)

        await self.app(scope, receive, with_policy)
