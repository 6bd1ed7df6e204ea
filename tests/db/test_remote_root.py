"""Artifacts in an object store: a loopback S3, as real as moto makes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filled import MODEL

from db.artifacts import ArtifactStore
from db.garbage import collect, orphans
from db.records import NewVersion
from db.registry import ModelRegistry, open_registry
from errors import ArtifactCorrupt, ArtifactError, ArtifactMissing, ArtifactUnwritable

ROOT = "s3://models/evergreen"


@pytest.fixture
def store(bucket: str, tmp_path: Path) -> ArtifactStore:
    """An empty store in the bucket."""
    return ArtifactStore(ROOT, tmp_path / "cache")


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A file to store."""
    path = tmp_path / "head.bin"
    path.write_bytes(bytes(range(256)) * 100)
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ModelRegistry]:
    """A registry beside the bucket."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as opened:
        opened.add_model(MODEL)
        yield opened


def test_what_was_put_is_fetched_once(store: ArtifactStore, head: Path) -> None:
    """The download is kept, and verified again on every fetch."""
    stored = store.put(head, kind="head", digest="abc")
    path = store.fetch(stored)
    assert path.read_bytes() == head.read_bytes()
    assert store.put(head, kind="head", digest="abc") == stored
    assert store.find() == [stored.uri]
    assert store.remove(stored.uri, datetime.now(UTC) + timedelta(hours=1))
    assert store.fetch(stored) == path


def test_a_damaged_object_is_found(store: ArtifactStore, head: Path, tmp_path: Path) -> None:
    """In the bucket it is an error; a copy in the cache, changed at equal length or become a folder, is made anew."""
    stored = store.put(head, kind="head", digest="abc")
    path = store.fetch(stored)
    path.write_bytes(bytes(reversed(head.read_bytes())))
    assert store.fetch(stored).read_bytes() == head.read_bytes()
    path.unlink()
    path.mkdir()
    (path / "odd").touch()
    assert store.fetch(stored).read_bytes() == head.read_bytes()
    store.files.pipe_file(stored.uri, b"rubbish")
    with pytest.raises(ArtifactCorrupt, match=stored.sha256):
        ArtifactStore(ROOT, tmp_path / "other cache").fetch(stored)


def test_a_missing_object_is_named(store: ArtifactStore, head: Path) -> None:
    """Before and after it was there."""
    stored = store.put(head, kind="head", digest="abc")
    store.files.rm_file(stored.uri)
    with pytest.raises(ArtifactMissing, match=r"s3://models/evergreen"):
        store.fetch(stored)


def test_a_bucket_that_is_none_is_said_clearly(bucket: str, head: Path, tmp_path: Path) -> None:
    """Writing into it is an error of ours, not of a library's."""
    with pytest.raises(ArtifactUnwritable, match="s3://nowhere"):
        ArtifactStore("s3://nowhere/evergreen", tmp_path).put(head, kind="head", digest="abc")


def test_an_unreachable_store_is_said_clearly(
    bucket: str, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong endpoint ends in one sentence."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    with pytest.raises(ArtifactError, match="EVERGREEN_ARTIFACT_ROOT"):
        ArtifactStore(ROOT, tmp_path).put(head, kind="head", digest="abc")


def test_a_password_in_the_url_is_not_told(tmp_path: Path) -> None:
    """Errors end up in logs and UIs."""
    for password in ("secret", "se/secret", "se@secret", "12:secret"):
        with pytest.raises(ArtifactError, match=r"^artifact root ftp://me:\*\*\*@127\.0\.0\.1:9/models: ") as caught:
            ArtifactStore(f"ftp://me:{password}@127.0.0.1:9/models", tmp_path)
        assert "secret" not in str(caught.value)


def test_orphans_in_a_bucket(store: ArtifactStore, registry: ModelRegistry, head: Path) -> None:
    """What a version names stays, what nothing names goes after the grace period."""
    artifact = store.put(head, kind="head", digest="kept")
    registry.register(NewVersion(MODEL, None, None, base=artifact, head=artifact))
    lost = store.put(head, kind="head", digest="lost")
    assert orphans(registry, store) == ()
    removed = collect(registry, store, timedelta(seconds=-5))
    assert [file.uri for file in removed] == [lost.uri]
    assert store.find() == [artifact.uri]


def test_a_remote_file_system_with_folders(head: Path, tmp_path: Path) -> None:
    """Folders below the root are made as they are needed."""
    (tmp_path / "remote").mkdir()
    store = ArtifactStore(f"local://{tmp_path / 'remote'}", tmp_path / "cache")
    stored = store.put(head, kind="head", digest="abc")
    assert (tmp_path / "remote" / stored.uri).read_bytes() == head.read_bytes()
    assert store.fetch(stored).is_relative_to(tmp_path / "cache")
