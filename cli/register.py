"""`evergreen register`: what `evergreen up` registers, on a server of one's own."""

from __future__ import annotations

import os

from cli.prefect_deploy import deploying
from cli.prefect_server import answering
from cli.registering import FILE, check_deployments
from cli.registering import register as register_all
from errors import ServerFailed

REFUSED = "see that PREFECT_API_URL ends where its API is, and that PREFECT_API_KEY or PREFECT_API_AUTH_STRING fit"


def register() -> None:
    """Register the deployments of prefect.yaml on a server of your own, which PREFECT_API_URL names."""
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    check_deployments(FILE)
    url = get_current_settings().api.url
    if not url:
        fix = "export PREFECT_API_URL=http://HOST:4200/api, or let `evergreen up` start a server"
        raise ServerFailed("the Prefect server", "PREFECT_API_URL names none", fix)
    environment = os.environ | {"PREFECT_API_URL": url}
    # The client has the settings' API key, or user and password.
    with answering(url, REFUSED), get_client(sync_client=True) as client, deploying(environment) as deploy:
        register_all(client, environment, deploy)
