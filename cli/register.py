"""`evergreen register`: what `evergreen up` registers, on a server of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cli.up import FILE, check_deployments
from cli.up import register as register_all
from errors import ServerFailed


def register() -> None:
    """Register the deployments of prefect.yaml on a server of your own, which PREFECT_API_URL names."""
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    check_deployments(FILE)
    url = get_current_settings().api.url
    if not url:
        fix = "export PREFECT_API_URL=http://HOST:4200/api, or let `evergreen up` start a server"
        raise ServerFailed("the Prefect server", "PREFECT_API_URL names none", fix)
    with answering(url), get_client(sync_client=True) as client:  # with the settings' API key, or user and password
        register_all(client, os.environ | {"PREFECT_API_URL": url})


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Say in a sentence that a server does not answer, or lets nobody in; raises ServerFailed."""
    from httpx import HTTPError, HTTPStatusError

    try:
        yield
    except HTTPStatusError as error:
        why = f"it answers {error.response.status_code} {error.response.reason_phrase}".rstrip()
        fix = "see that PREFECT_API_URL ends where its API is, and that PREFECT_API_KEY or PREFECT_API_AUTH_STRING fit"
        raise ServerFailed(f"the Prefect server at {url}", why, fix) from error
    except HTTPError as error:
        why = f"it gives no answer ({error or type(error).__name__})"
        raise ServerFailed(
            f"the Prefect server at {url}", why, "start it, or set PREFECT_API_URL to another"
        ) from error
