"""gc: finds what a crash left, and never touches what a row names or a writer is about to name."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from crowd import Crowd
from filled import MODEL, add_partition

from db.artifacts import ArtifactStore
from db.garbage import GRACE, collect, keep_newest, orphans
from db.records import NewVersion
from db.registry import ModelRegistry, open_registry

NOW = timedelta(0)
SECONDS = 2.0


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty store in a folder."""
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")


def put(store: ArtifactStore, folder: Path, name: str) -> str:
    """Store a small file; returns its uri."""
    path = folder / f"{name}.bin"
    path.write_text(name)
    return store.put(path, kind="head", digest=name).uri


def test_only_what_no_row_names_is_an_orphan(registry: ModelRegistry, store: ArtifactStore, tmp_path: Path) -> None:
    """A version's files and a partition's stay, whatever else lies in the folder stays too."""
    kept, lost = (tmp_path / name for name in ("kept.bin", "lost.bin"))
    kept.write_text("kept")
    lost.write_text("lost")
    artifact = store.put(kept, kind="head", digest="kept")
    registry.register(NewVersion(MODEL, None, None, base=artifact, head=artifact))
    orphan = store.put(lost, kind="head", digest="lost")
    partition = tmp_path / "artifacts" / add_partition(registry, "p1").uri
    partition.parent.mkdir()
    partition.write_text("rows")
    (tmp_path / "artifacts" / "readme.txt").write_text("by somebody else")
    (tmp_path / "artifacts" / "head" / "ke" / ".half.tmp").write_text("half")

    found = [file.uri for file in orphans(registry, store, NOW)]

    assert found == ["head/ke/.half.tmp", orphan.uri]
    assert [file.uri for file in collect(registry, store, NOW)] == found
    assert store.fetch(artifact).read_text() == "kept"
    assert partition.exists()
    assert (tmp_path / "artifacts" / "readme.txt").exists()


def test_new_files_have_a_grace_period(registry: ModelRegistry, store: ArtifactStore, tmp_path: Path) -> None:
    """Their writer may be about to register them; a day later nobody is."""
    uri = put(store, tmp_path, "new")
    assert orphans(registry, store) == ()
    assert collect(registry, store) == ()
    yesterday = time.time() - GRACE.total_seconds() - 1
    os.utime(tmp_path / "artifacts" / uri, (yesterday, yesterday))
    assert [file.uri for file in orphans(registry, store)] == [uri]


def test_an_empty_root_has_no_orphans(registry: ModelRegistry, store: ArtifactStore) -> None:
    """Nothing was stored yet."""
    assert orphans(registry, store, NOW) == ()


def write_or_collect(place: int, url: str, folder: str) -> int:
    """One process collects as fast as it can, the others store old orphans again and register them."""
    root = Path(folder)
    store = ArtifactStore(str(root / "artifacts"), root / "cache")
    count = 0
    with open_registry(url) as registry:
        deadline = time.monotonic() + SECONDS  # the first connection of a process can take as long as all the rest
        while time.monotonic() < deadline:
            if place == 0:
                count += len(collect(registry, store, timedelta(hours=1)))
                continue
            path = root / f"{place}.bin"
            path.write_text(f"{place} {count}")
            digest = f"{place}-{count}"
            uri = store.put(path, kind="head", digest=digest).uri
            os.utime(root / "artifacts" / uri, (0, 0))  # left behind long ago, and now found again:
            artifact = store.put(path, kind="head", digest=digest)
            registry.register(NewVersion(MODEL, None, None, base=artifact, head=artifact))
            count += 1
    return count


@pytest.mark.slow
def test_collecting_beside_writers(registry: ModelRegistry, url: str, tmp_path: Path, crowd: Crowd) -> None:
    """Every registered version still has its file."""
    crowd.at_once(write_or_collect, url, str(tmp_path), processes=4)
    store = ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")
    versions = registry.versions(MODEL)
    assert len(versions) > 10
    for version in versions:
        store.fetch_version(registry.version(MODEL, version.number))


def collect_everything(_place: int, url: str, folder: str) -> int:
    """Collect without a grace period."""
    root = Path(folder)
    store = ArtifactStore(str(root / "artifacts"), root / "cache")
    with open_registry(url) as registry:
        return len(collect(registry, store, NOW))


def test_eight_collectors(
    registry: ModelRegistry, url: str, store: ArtifactStore, tmp_path: Path, crowd: Crowd
) -> None:
    """Each file is removed by one of them, and none minds the others."""
    for number in range(100):
        put(store, tmp_path, f"lost-{number}")
    assert sum(crowd.at_once(collect_everything, url, str(tmp_path))) >= 100
    assert orphans(registry, store, NOW) == ()


def test_of_a_folder_the_newest_files_are_kept(tmp_path: Path) -> None:
    """Those that were used longest ago go, others of the folder stay, and a folder that is not there is no matter."""
    for place, name in enumerate(("b.npz", "c.npz", "a.npz", "old.txt")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (place, place))
    keep_newest(tmp_path, "*.npz", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "c.npz", "old.txt"]
    keep_newest(tmp_path / "none", "*.npz", 2)
