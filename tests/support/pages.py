"""What a person does in the pages of Prefect's UI, in a browser that shows whom the pages ask."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from browser import SECONDS, Page, browser

# What a page shows once it is there: in the newer UI and, below, in the older one.
PAGES = {
    "dashboard": "local",
    "runs": "bootstrap flights",
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
OLDER = {"runs": "bootstrap flights", "deployments": "retrain-flights"}
CHROMIUMS_OWN = (
    "accounts.google.com",
    "clients2.google.com",
    "content-autofill.googleapis.com",
    "update.googleapis.com",
)


def look_through(url: str) -> None:
    """Open every page of the UI, and start a watch of digits in place of flights; nobody outside is asked anything.

    Args:
        url: of a server with the deployments of prefect.yaml, whose bootstrap of flights has left an artifact.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, browser(Path(folder)) as page:
        refuse_blindness(page)
        watch_digits(page, url)
        for name, shows in PAGES.items():
            page.open(f"{url}/v2/{name}", shows)
        for name, shows in OLDER.items():
            page.open(f"{url}/{name}", shows)
        assert any("amplitude" in error for error in page.errors), "no page tries to: is the policy still needed?"
        assert asked_of_others(page) == []


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


def watch_digits(page: Page, url: str) -> None:
    """Start a run by hand, with another parameter than the deployment has."""
    page.open(f"{url}/v2/deployments", "watch-flights")
    page.press("watch-flights")
    page.wait("Entrypoint")
    page.press("Run")
    page.press("Custom run")
    page.wait("Enforce Parameter Schema")
    page.fill("flights", "digits")
    page.press("Submit")
    page.wait("scheduled to start now")
