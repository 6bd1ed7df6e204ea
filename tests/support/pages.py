"""What a person does in the pages of Prefect's UI, in a browser that shows whom the pages ask."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from browser import SECONDS, Page, browser

# What a page shows once it is there: in the newer UI and, below, in the older one. The runs come first, before there
# are more of them than on one page.
PAGES = {
    "runs": "promoted · version 1",
    "dashboard": "local",
    "flows": "bootstrap",
    "work-pools": "local",
    "blocks": "Block",
    "variables": "variable",
    "automations": "retrain flights when the watch finds something",
    "events": "Event Feed",
    "concurrency-limits": "Concurrency",
    "settings": "Server Settings",
    "artifacts": "run-flights",
    "artifacts/key/run-flights": "Created run-flights",
}
OLDER = {"runs": "promoted · version 1", "deployments": "retrain-flights"}
CHROMIUMS_OWN = (  # which it also asks while it shows an empty page
    "accounts.google.com",
    "android.clients.google.com",
    "clients2.google.com",
    "content-autofill.googleapis.com",
    "redirector.gvt1.com",  # the dictionary of its spell checker, once somebody types
    "update.googleapis.com",
    "www.google.com:443",
)


@contextmanager
def looking() -> Iterator[Page]:
    """A page of a browser; in the end, nobody outside was asked anything by whatever it showed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, browser(Path(folder)) as page:
        refuse_blindness(page)
        yield page
        assert any("amplitude" in error for error in page.errors), "no page tries to: is the policy still needed?"
        assert not asked_of_others(page), asked_of_others(page)


def look_through(page: Page, url: str) -> None:
    """Open every page of the UI.

    Args:
        page: of a browser.
        url: of a server with the deployments of prefect.yaml, whose bootstrap of flights has left an artifact.
    """
    for name, shows in OLDER.items():
        page.open(f"{url}/{name}", shows)
    for name, shows in PAGES.items():
        page.open(f"{url}/v2/{name}", shows)


def refuse_blindness(page: Page) -> None:
    """See that what a page asks of another machine would be seen here."""
    page.run("fetch('http://example.com/', {mode: 'no-cors'}).catch(String)")
    deadline = time.monotonic() + SECONDS
    while not asked_of_others(page):
        assert time.monotonic() < deadline, "what a page asks for is not seen"
        time.sleep(0.1)
    page.asked.clear()


def asked_of_others(page: Page) -> list[str]:
    """What the pages asked other machines for."""
    return [line for line in page.asked if not any(host in line for host in CHROMIUMS_OWN)]


def retrain_by_force(page: Page, url: str) -> None:
    """Start a retrain of flights by hand, with another parameter than the deployment has."""
    page.open(f"{url}/v2/deployments", "retrain-flights")
    page.press("retrain-flights", "Entrypoint")
    page.press("Run", "Custom run")
    page.press("Custom run", "Enforce Parameter Schema")
    page.press("force (Optional)", "force (Optional): on")
    page.press("Submit", "Entrypoint")


def approve(page: Page, url: str, deployment: str, answers: dict[str, str]) -> None:
    """Fill in the form of the deployment `approve`, and send it.

    Args:
        page: of a browser.
        url: of the server.
        deployment: its id.
        answers: model and version, and what is said of it.
    """
    page.open(f"{url}/v2/deployments/deployment/{deployment}", "Entrypoint")
    page.press("Run", "Custom run")
    page.press("Custom run", "Enforce Parameter Schema")
    for field, answer in answers.items():
        (page.choose if field in {"model", "decision"} else page.fill)(field, answer)
    page.press("Submit", "Entrypoint")
