"""Files that are odd as files: by their names, and by what lies there in place of a file."""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import polars as pl

from corpus import Case, csv


def row(key: str) -> str:
    """A good row as CSV."""
    return f"2024-01-01T00:00:00Z,{key},10,Oslo,1"


def json_line(key: str) -> bytes:
    """A good row as a line of JSON."""
    return f'{{"at":"2024-01-01T00:00:00Z","id":"{key}","speed":10,"city":"Oslo","late":1}}\n'.encode()


def parquet(key: str) -> bytes:
    """A good row as Parquet."""
    columns = {"at": ["2024-01-01T00:00:00Z"], "id": [key], "speed": [10.0], "city": ["Oslo"], "late": [1.0]}
    buffer = BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def node(kind: int) -> Callable[[Path], object]:
    """Make a file of another kind: what any user may make, devices excepted."""
    return lambda path: os.mknod(path, kind | 0o600)


def named(name: bytes, content: bytes) -> Callable[[Path], object]:
    """Make a file of another name instead, whose bytes are no UTF-8."""

    def make(path: Path) -> None:
        other = path.parent / os.fsdecode(name)
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(content)

    return make


def linked(path: Path) -> None:
    """Make a link to a hidden file beside it."""
    hidden = path.with_name(".hidden.csv")
    hidden.write_bytes(csv(row("link-inside-1")))
    path.symlink_to(hidden.name)


def linked_folder(path: Path) -> None:
    """Make a link to a folder beside it."""
    folder = path.with_name("behind-a-link")
    folder.mkdir()
    path.symlink_to(folder.name, target_is_directory=True)


def closed_file(path: Path) -> None:
    """Make a file that nobody but root may read."""
    path.write_bytes(csv(row("closed-1")))
    path.chmod(0)


def closed_folder(path: Path) -> None:
    """Make a folder that nobody but root may look into."""
    path.mkdir()
    (path / "in-it.csv").write_bytes(csv(row("closed-folder-1")))
    path.chmod(0)


TAKEN = [
    "with blank.csv",
    " leading blank.csv",
    "trailing blank .csv",
    "quote'quote.csv",
    'quotes".csv',
    "star*.csv",
    "stars**.csv",
    "question?.csv",
    "brackets[1].csv",
    "braces{a,b}.csv",
    "percent%20.csv",
    "hash#1.csv",
    "dollar$HOME.csv",
    "~tilde.csv",
    "-dash.csv",
    "colon:1.csv",
    "back\\slash.csv",
    "new\nline.csv",
    "tab\t.csv",
    "escape\x1b[31m.csv",
    "caf\u00e9 \u00fcml\u00e4ut.csv",
    "\u6771\u4eac.csv",
    "right-to-\u202eleft.csv",
    "\U0001f332.csv",
    "UPPER.CSV",
    "dots..csv",
    "day=2024-01-01/part.csv",
    "folder.csv/inside.csv",
    f"{'long' * 55}.csv",
]

CASES = [
    *(Case(f"names/{name}", csv(row(f"name-{place}")), taken=1) for place, name in enumerate(TAKEN)),
    Case("names/brackets[2].jsonl", json_line("name-jsonl"), taken=1),
    Case("names/brackets[3]*.parquet", parquet("name-parquet"), taken=1),
    Case("names/day=2024-01-02/part.parquet", parquet("name-hive"), taken=1),
    Case("names/brackets[4].csv.gz", gzip.compress(csv(row("name-gzip"))), taken=1),
    Case("names/latin-1", named(b"caf\xe9.csv", csv(row("latin-1"))), says="its name is not UTF-8"),
    Case("names/no-text", named(b"\xff\xfe.parquet", parquet("latin-2")), says="its name is not UTF-8"),
    Case("names/in-latin-1", named(b"caf\xe9/inside.csv", csv(row("latin-3"))), says="its name is not UTF-8"),
    Case("names/csv", csv(row("no-suffix")), says="its name does not say what it is"),
    Case("names/a.csv.bak", csv(row("backup")), says="its name does not say what it is"),
    Case("links/inside.csv", linked, taken=1),
    Case("links/out.csv", lambda path: path.symlink_to("/etc/hostname"), says="leads out of the landing folder"),
    Case("links/up.csv", lambda path: path.symlink_to("../../.."), says="leads out of the landing folder"),
    Case("links/device.csv", lambda path: path.symlink_to("/dev/zero"), says="leads out of the landing folder"),
    Case("links/dangling.csv", lambda path: path.symlink_to("nowhere.csv"), says="a link to a file that is not there"),
    Case("links/loop.csv", lambda path: path.symlink_to(path.name), says="round in a circle"),
    Case("links/folder", linked_folder, says="a link to a folder"),
    Case("kinds/fifo.csv", node(stat.S_IFIFO), says="no regular file"),
    Case("kinds/fifo.parquet", node(stat.S_IFIFO), says="no regular file"),
    Case("kinds/socket.jsonl", node(stat.S_IFSOCK), says="no regular file"),
]

if os.geteuid():  # nothing is closed to root
    CASES += [
        Case("closed/file.csv", closed_file, says="Permission denied"),
        Case("closed/folder", closed_folder, says="cannot be listed"),
    ]
