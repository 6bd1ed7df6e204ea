"""Debian's Chromium without a window; nothing that it asks of other machines gets out, and a test sees all of it."""

from __future__ import annotations

import base64
import itertools
import json
import socketserver
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

CHROMIUM = "/usr/bin/chromium"
SECONDS = 90.0
PATIENCE = 10.0  # seconds, before a person presses once more
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # What Chromium itself would ask its maker for is not the page's doing.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,DialMediaRouteProvider,Translate",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
)


class Page:
    """One page, driven by Chromium's DevTools protocol.

    Args:
        connection: to the page's target.
        asked: all places but this machine that the browser asked for, as its proxy saw them.
    """

    def __init__(self, connection: ClientConnection, asked: list[str]) -> None:
        self.asked, self._connection, self._numbers = asked, connection, itertools.count(1)
        self.errors: list[str] = []
        self.call("Page.enable")
        self.call("Log.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol, and wait for what it gives."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=SECONDS))
            if message.get("method") == "Log.entryAdded":
                self.errors.append(message["params"]["entry"]["text"])
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; None where the page is on its way to another."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return done["result"].get("value")

    def open(self, url: str, shows: str) -> None:
        """Open a page and wait until it shows a text."""
        self.call("Page.navigate", url=url)
        self.wait(shows)

    @property
    def text(self) -> str:
        """What a person reads on the page and in its fields, and which of its switches are on."""
        return str(self.run(f"document.body ? {TEXT} : ''") or "")

    def wait(self, shows: str) -> None:
        """Wait until the page shows a text."""
        deadline = time.monotonic() + SECONDS
        while shows not in self.text:
            assert time.monotonic() < deadline, f"{shows!r} did not come: {self.text[:2000]!r}"
            time.sleep(0.1)

    def press(self, words: str, shows: str) -> None:
        """Press what is called so, as a mouse does, and again if the page took no notice: until it shows a text."""
        named = "[...document.querySelectorAll('button, a, label, [role=menuitem], [role=option], [role=tab]')]"
        element = f"{named}.filter(one => one.innerText.trim() === {words!r}).at(-1)"
        deadline, again = time.monotonic() + SECONDS, 0.0
        while not again or shows not in self.text:
            assert time.monotonic() < deadline, f"{words!r} shows no {shows!r}: {self.text[:2000]!r}"
            if time.monotonic() > again and self._click(element):
                again = time.monotonic() + PATIENCE
            time.sleep(0.1)

    def fill(self, words: str, text: str) -> None:
        """Press the label of a field, and type."""
        self.press(words, words)
        self.call("Input.insertText", text=text)
        self.wait(text)

    def choose(self, words: str, option: str) -> None:
        """Press the label of a field that offers options, and one of these."""
        self.press(words, option)
        self.press(option, option)
        deadline = time.monotonic() + SECONDS
        while self.run("!!document.querySelector('[role=option]')"):
            assert time.monotonic() < deadline, f"{option!r} is not chosen: {self.text[:2000]!r}"
            time.sleep(0.1)

    def _click(self, element: str) -> bool:
        """Press an element, if it is there and rests: what moves would be missed."""
        first = self.run(f"(one => {{ {MIDDLE} }})({element})")
        time.sleep(0.1)
        point = self.run(f"(one => {{ {MIDDLE} }})({element})")
        if point is None or point != first:
            return False
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], button="left", clickCount=1)
        return True

    def picture(self, file: Path) -> None:
        """Take a picture of the page."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


TEXT = """[
    document.body.innerText,
    ...[...document.querySelectorAll('input, textarea')].map(one => one.value),
    ...[...document.querySelectorAll('[aria-checked=true]')].map(one => `${one.labels?.[0]?.innerText}: on`),
].join('\\n')"""
# Where the middle of an element is, once it is there and nothing lies on it.
MIDDLE = """
if (!one) return null;
one.scrollIntoView({block: 'center'});
const box = one.getBoundingClientRect(), middle = [box.x + box.width / 2, box.y + box.height / 2];
const top = document.elementFromPoint(...middle);
return one.contains(top) ? middle : null;
"""


class Seen(socketserver.StreamRequestHandler):
    """Notes what a browser asks its proxy for, and gives none of it."""

    def handle(self) -> None:
        """Note the first line, such as "CONNECT example.com:443 HTTP/1.1"."""
        line = self.rfile.readline().decode(errors="replace").strip()
        self.server.asked.append(line)  # type: ignore[attr-defined]
        self.wfile.write(b"HTTP/1.1 502 Not from here\r\ncontent-length: 0\r\n\r\n")


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Open an empty page; all but this machine is behind a proxy that only notes what it is asked for."""
    assert Path(CHROMIUM).exists(), "the pages of the UI are tested in Chromium: apt-get install chromium"
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Seen) as proxy:
        proxy.daemon_threads = True
        asked = proxy.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        places = f"--user-data-dir={folder}", f"--proxy-server=127.0.0.1:{proxy.server_address[1]}", "about:blank"
        with (folder / "chromium.log").open("w") as log:
            process = subprocess.Popen([CHROMIUM, *FLAGS, *places], stdout=log, stderr=log)
        try:
            with connect(_target(folder), max_size=None) as connection:
                yield Page(connection, asked)
                with suppress(ConnectionClosed, TimeoutError):
                    connection.send(json.dumps({"id": 0, "method": "Browser.close"}))
                    process.wait(10)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            proxy.shutdown()


def _target(folder: Path) -> str:
    """Where the page's own protocol is, once Chromium has said on which port."""
    port, deadline = folder / "DevToolsActivePort", time.monotonic() + SECONDS
    while not (port.exists() and port.read_text().strip()):
        assert time.monotonic() < deadline, (folder / "chromium.log").read_text()
        time.sleep(0.1)
    number = port.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{number}/json/list") as answer:
        return next(str(one["webSocketDebuggerUrl"]) for one in json.load(answer) if one["type"] == "page")
