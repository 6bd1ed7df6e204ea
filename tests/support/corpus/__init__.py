"""One odd landed file, and what must become of it: what the corpus of tests/arrivals is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """An odd file for the small model of `arriving` (SCHEMA), and the counts of its rows.

    Every file of the corpus is also taken together with all others of the same `source`: its rows' ids must be its own
    (begin them with the file's name, "cut-1"), or the same rows would count as duplicates there.

    Args:
        file: its name in the landing folder; may stand in a folder of its own ("a/b.csv").
        content: its bytes, or a function that makes it at a path (a Parquet file, a folder, a link).
        taken: rows that are taken.
        duplicates: rows that repeat a taken one.
        conflicts: rows whose key was taken with other values.
        refused: rows that are refused one by one; 0 where the file is refused as a whole.
        says: words of the reason for which rows, or the whole file, are refused; "" where nothing is.
        left: it is neither taken nor refused, but looked at again by the next run.
        source: options of the Source that it needs.
    """

    file: str
    content: bytes | Callable[[Path], object]
    taken: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    says: str = ""
    left: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Land it."""
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content)
        return path


def csv(*lines: str, header: str = "at,id,speed,city,late", end: str = "\n") -> bytes:
    """A CSV file of these lines as bytes."""
    return "".join(f"{text}{end}" for text in (header, *lines)).encode()
