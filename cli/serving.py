"""The pages of the reports folder, served on this machine while `evergreen up` runs, so that links to them work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cli.printing import say

HOST = "127.0.0.1"
ABOVE = 1000  # the port of the pages above the UI's; the next one is where a second UI would be


class Pages(SimpleHTTPRequestHandler):
    """Answers with a page of HTML, and with nothing else: no listing, no other file, no name of another site's."""

    def send_head(self) -> object:  # type: ignore[override]
        """Refuse all but pages; a site whose name leads here is told so by its own name."""
        name = (self.headers.get("host") or "").partition(":")[0]
        path = Path(self.translate_path(self.path))
        if name not in {HOST, "localhost"} or path.suffix != ".html" or not path.is_file():
            self.send_error(404)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Let no browser take a page for anything else, and none keep it: every run writes it afresh."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Stay quiet."""


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """Serve a folder's pages, to this machine alone, until the block ends; gives their address, "" if it cannot be.

    Args:
        folder: with the pages.
        port: where, on 127.0.0.1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = ThreadingHTTPServer((HOST, port), partial(Pages, directory=str(folder)))
    except (OSError, OverflowError) as error:
        say(f"reports are not served, and artifacts name their files instead: port {port}: {error}", err=True)
        yield ""
        return
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="reports")
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
