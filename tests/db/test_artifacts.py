"""The artifact store: whole or absent, verified, safe to load."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from crowd import Crowd

from db.artifacts import ArtifactStore
from errors import ArtifactCorrupt, ArtifactError, ArtifactMissing, ArtifactUnwritable

BYTES = bytes(range(256)) * 5000


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty store in a folder."""
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A file to store."""
    path = tmp_path / "head.bin"
    path.write_bytes(BYTES)
    return path


def put_one(place: int, folder: str) -> str:
    """Store the same file as everybody else, from a copy of one's own."""
    root = Path(folder)
    path = root / f"mine-{place}.bin"
    path.write_bytes(BYTES)
    stored = ArtifactStore(str(root / "artifacts"), root / "cache").put(path, kind="base", digest="same")
    return stored.uri


def in_a_bad_place(prepare: str, root: Path, head: Path) -> str:
    """Store a file in a process that `prepare` has made life hard for; returns what the error said."""
    code = f"""
import os, resource, signal, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from db.artifacts import ArtifactStore
from errors import ArtifactUnwritable
root, head = map(Path, sys.argv[1:])
store = ArtifactStore(str(root), root / "cache")
{prepare}
try:
    store.put(head, kind="head", digest="abc")
except ArtifactUnwritable as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(root), str(head)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_what_was_put_is_fetched(store: ArtifactStore, head: Path) -> None:
    """Byte for byte, from a place that its digest and its SHA-256 name."""
    stored = store.put(head, kind="head", digest="abc")
    assert store.fetch(stored).read_bytes() == BYTES
    assert stored.uri == f"head/ab/abc.{stored.sha256}.bin"
    assert stored.bytes == len(BYTES)
    assert store.find() == [stored.uri]


def test_the_same_digest_is_stored_once(store: ArtifactStore, head: Path, tmp_path: Path) -> None:
    """A base that was saved again, with another date in the file, keeps its first file."""
    first = store.put(head, kind="base", digest="abc")
    again = tmp_path / "again.bin"
    again.write_bytes(b"the same weights, saved on another day")
    assert store.put(again, kind="base", digest="abc") == first
    assert store.put(again, kind="head", digest="abc") != first
    assert store.put(again, kind="base", digest="abcd") != first


def test_a_damaged_file_is_not_reused(store: ArtifactStore, head: Path) -> None:
    """Storing the file again heals it."""
    stored = store.put(head, kind="base", digest="abc")
    store.fetch(stored).write_bytes(b"rubbish")
    assert store.put(head, kind="base", digest="abc") == stored
    assert store.fetch(stored).read_bytes() == BYTES


@pytest.mark.parametrize("place", [0, 12345, len(BYTES) - 1])
def test_one_flipped_byte_is_found(store: ArtifactStore, head: Path, place: int) -> None:
    """The error names the file, and both digests."""
    stored = store.put(head, kind="head", digest="abc")
    path = store.fetch(stored)
    damaged = bytearray(BYTES)
    damaged[place] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ArtifactCorrupt, match=f"head abc of version 7.*{stored.sha256}.*that are there have"):
        store.fetch(stored, of="version 7")


@pytest.mark.parametrize("length", [0, 1, len(BYTES) - 1])
def test_a_truncated_file_is_found(store: ArtifactStore, head: Path, length: int) -> None:
    """The error says how many bytes are left."""
    stored = store.put(head, kind="head", digest="abc")
    os.truncate(store.fetch(stored), length)
    with pytest.raises(ArtifactCorrupt, match=f"the {length:,} that are there"):
        store.fetch(stored)


def test_a_missing_file_is_named(store: ArtifactStore, head: Path) -> None:
    """The error says where it was looked for, and which setting decides that."""
    stored = store.put(head, kind="head", digest="abc")
    store.fetch(stored).unlink()
    with pytest.raises(ArtifactMissing, match="EVERGREEN_ARTIFACT_ROOT"):
        store.fetch(stored)
    with pytest.raises(ArtifactMissing):
        store.put(head.with_name("nowhere.bin"), kind="head", digest="abc")


@pytest.mark.parametrize("digest", ["", "../abc", "a/b", "a" * 65, "a b", "a\0"])
def test_digests_that_are_paths_are_refused(store: ArtifactStore, head: Path, digest: str) -> None:
    """They become file names."""
    with pytest.raises(ValueError, match="file names"):
        store.put(head, kind="head", digest=digest)


def test_a_full_disk_is_said_clearly(tmp_path: Path, head: Path) -> None:
    """No half file stays behind."""
    prepare = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    said = in_a_bad_place(prepare, tmp_path / "full", head)
    assert "see that the artifact root exists, is writable and has space" in said
    assert [path for path in (tmp_path / "full").rglob("*") if path.is_file()] == []


def test_a_read_only_root_is_said_clearly() -> None:
    """Also for root, who has to become somebody else to be refused."""
    with TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        head, root = Path(folder, "head.bin"), Path(folder, "readonly")
        head.write_bytes(BYTES)
        root.mkdir(mode=0o555)
        said = in_a_bad_place("os.getuid() or os.setuid(65534)", root, head)
    assert "Permission denied" in said
    assert "EVERGREEN_ARTIFACT_ROOT" in said


def test_a_root_that_is_a_file_is_said_clearly(head: Path) -> None:
    """The setting names something that is no folder."""
    with pytest.raises(ArtifactUnwritable, match=r"Not a directory|File exists"):
        ArtifactStore(str(head), head.parent).put(head, kind="head", digest="abc")


def test_a_root_that_nothing_reaches_is_said_clearly(tmp_path: Path, head: Path) -> None:
    """An unknown protocol is an error of ours, not of a library's."""
    with pytest.raises(ArtifactError, match="EVERGREEN_ARTIFACT_ROOT"):
        ArtifactStore("carrier-pigeon://loft", tmp_path)


def test_the_same_file_from_eight_processes(tmp_path: Path, crowd: Crowd) -> None:
    """All succeed, one file is there."""
    assert len(set(crowd.at_once(put_one, str(tmp_path)))) == 1
    assert len([path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]) == 1


def test_a_moved_root_still_holds_everything(store: ArtifactStore, head: Path, tmp_path: Path) -> None:
    """Rows name places under the root, so the root may move, or be mounted elsewhere."""
    stored = store.put(head, kind="head", digest="abc")
    (tmp_path / "artifacts").rename(tmp_path / "moved")
    assert ArtifactStore(f"file://{tmp_path / 'moved'}", tmp_path).fetch(stored).read_bytes() == BYTES


def test_removal_spares_a_file_that_was_kept(store: ArtifactStore, head: Path) -> None:
    """A writer that found the file again, after gc had listed it, still has it."""
    stored = store.put(head, kind="head", digest="abc")
    found = store.state(stored.uri)
    assert found is not None
    listed = found.modified
    store.put(head, kind="head", digest="abc")
    assert not store.remove(stored.uri, unless_since=listed - timedelta(seconds=1))
    assert store.fetch(stored).read_bytes() == BYTES
    assert store.remove(stored.uri, unless_since=listed + timedelta(hours=1))
    assert store.find() == []
