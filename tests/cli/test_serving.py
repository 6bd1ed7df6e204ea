"""Reports are pages that a browser on this machine opens, and nothing else of the folder is given away."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cli.serving import serving


@pytest.mark.parametrize(
    ("path", "host", "answer"),
    [
        ("flights/monitor.html", "", 200),
        ("flights/", "", 404),
        ("flights/notes.txt", "", 404),
        ("../secret.html", "", 404),
        ("%2e%2e/secret.html", "", 404),
        ("flights/monitor.html", "a-site-of-others.example", 404),
    ],
)
def test_only_pages_are_served_and_to_nobody_elses_site(tmp_path: Path, path: str, host: str, answer: int) -> None:
    """A site whose name leads to this machine would read what the browser's owner may read."""
    (tmp_path / "secret.html").write_text("not here")
    folder = tmp_path / "reports"
    (folder / "flights").mkdir(parents=True)
    for name in ("monitor.html", "notes.txt"):
        (folder / "flights" / name).write_text("a page")
    with serving(folder, 0) as address:
        asked = urllib.request.Request(f"{address}/{path}", headers={"host": host} if host else {})
        try:
            with urllib.request.urlopen(asked) as page:
                found = page.status
        except urllib.error.HTTPError as error:
            found = error.code
    assert found == answer


def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever listens there: runs go on, and name files as before."""
    with serving(tmp_path, 0) as address, serving(tmp_path, int(address.rpartition(":")[2])) as none:
        assert none == ""
    assert "reports are not served" in capsys.readouterr().err
