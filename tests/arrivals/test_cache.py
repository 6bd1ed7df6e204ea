"""Everything under cache/ can be made again: it may be emptied at any moment, and be of no use at all."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import fsspec
import polars as pl
import pytest
from arriving import Port, line

from arrivals.ingest import ingest
from db.artifacts import ArtifactStore

PROJECT = str(Path(__file__).parent.parent.parent)


class Events:
    """Calls and returns of our own functions, in every thread; at one of them the cache is removed.

    Args:
        cache: the folder.
        at: number of the event; None for none of them, -1 for every one.
    """

    def __init__(self, cache: Path, at: int | None) -> None:
        self.cache, self.at, self.seen = cache, at, 0

    def __call__(self, frame: FrameType, _event: str, _argument: object) -> None:
        """Count, and remove the cache when it is time."""
        name = frame.f_code.co_filename
        if name.startswith(PROJECT) and "/tests/" not in name:
            self.seen += 1
            if self.at in {-1, self.seen}:
                shutil.rmtree(self.cache, ignore_errors=True)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While this lasts."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def grown(port: Port) -> int:
    """Take two files, and then one that holds their rows, changed and new ones; returns how many rows there are."""
    port.land("c.csv", *map(line, range(30)))
    port.ingest()
    return port.every_row().height


def prepared(home: Path) -> Port:
    """A port that has taken two files."""
    port = Port(home)
    port.land("a.csv", *map(line, range(10)))
    port.land("b.csv", *map(line, range(10, 20)))
    port.ingest()
    return port


@pytest.mark.slow
def test_the_cache_may_be_emptied_between_any_two_steps(tmp_path: Path) -> None:
    """Nothing is lost, doubled or refused."""
    port = prepared(tmp_path / "counted")
    events = Events(port.home / "cache", None)
    with events.counted():
        assert grown(port) == 30
    places = range(1, events.seen, events.seen // 12)
    for at in [-1, *places]:
        port = prepared(tmp_path / str(at))
        removing = Events(port.home / "cache", at)
        with removing.counted():
            assert grown(port) == 30
        assert [(file.taken, file.duplicates, file.reason) for file in port.landed()][-1] == (10, 20, None), at


def test_the_cache_may_be_emptied_again_and_again_by_somebody_else(tmp_path: Path) -> None:
    """A thread that does nothing else."""
    port, done = prepared(tmp_path), threading.Event()

    def remove() -> None:
        while not done.wait(0.001):
            shutil.rmtree(port.home / "cache", ignore_errors=True)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        assert grown(port) == 30
    finally:
        done.set()
        remover.join()


@pytest.mark.parametrize("kind", ["folders", "files", "file-for-folder", "file-for-cache"])
def test_what_stands_in_the_place_of_the_cache_is_in_nobodys_way(tmp_path: Path, kind: str) -> None:
    """Folders where its files must be, files of other bytes, a file where its folder must be."""
    port = prepared(tmp_path)
    keys = port.home / "cache" / "keys"
    for file in list(keys.iterdir()):
        file.unlink()
        if kind == "folders":
            (file / "below").mkdir(parents=True)
        else:
            file.write_bytes(b"PAR1")
    if kind.startswith("file-"):
        shutil.rmtree(keys if kind == "file-for-folder" else keys.parent)
        (keys if kind == "file-for-folder" else keys.parent).write_text("")
    assert grown(port) == 30
    assert sum(file.taken for file in port.landed()) == 30


def test_copies_of_remote_files_may_be_removed_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are fetched again."""
    port = Port(tmp_path)
    store = ArtifactStore("memory://store", tmp_path / "cache")
    read: Any = pl.read_parquet
    removed = []

    def remove_first(source: Any, *arguments: Any, **options: Any) -> pl.DataFrame:
        if "artifacts" in str(source) and len(removed) < 2:
            removed.append(source)
            shutil.rmtree(tmp_path / "cache")
        frame: pl.DataFrame = read(source, *arguments, **options)
        return frame

    def take() -> int:
        landing = str(port.home / "landing")
        return ingest(port.spec, port.registry, store, landing=landing, cache=tmp_path / "cache").duplicates

    port.land("a.csv", *map(line, range(10)))
    take()
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr("arrivals.partition_files.pl.read_parquet", remove_first)
    port.land("b.csv", *map(line, range(5, 15)))
    assert take() == 5
    assert len(removed) == 2
    fsspec.filesystem("memory").rm("/store", recursive=True)
