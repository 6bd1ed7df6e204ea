"""Stored files, fetched: from a folder or from wherever fsspec reaches, and verified before anybody reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen_client.durable import remove_whatever, written_whole
from evergreen_client.errors import ArtifactCorrupt, ArtifactError, ArtifactMissing
from evergreen_client.shown import gist, masked

if TYPE_CHECKING:
    from fsspec.implementations.dirfs import DirFileSystem


@dataclass(frozen=True)
class StoredArtifact:
    """A file in the artifact store.

    Args:
        digest: what the file holds; for a model a digest of weights and structure, for a partition of its rows.
        kind: "base", "head", "partition", …
        uri: its place under the artifact root.
        sha256: of the file's bytes.
        bytes: length of the file.
    """

    digest: str
    kind: str
    uri: str
    sha256: str
    bytes: int


class ArtifactRoot:
    """The place that all stored files lie under; nothing is created there.

    Args:
        root: a folder, or any fsspec URL such as s3://bucket/prefix.
        cache: local folder that remote files are fetched to.

    Raises:
        ArtifactError: the URL names something that cannot be reached.
    """

    files: DirFileSystem

    def __init__(self, root: str, cache: Path) -> None:
        from fsspec import url_to_fs
        from fsspec.implementations.dirfs import DirFileSystem

        plain = root.removeprefix("file://").rstrip("/") or "/"
        self.folder = None if "://" in plain else Path(plain).expanduser().absolute()
        self.cache = cache / "artifacts"
        self._shown = str(self.folder or masked(plain))
        with self.explained("open"):
            files, path = url_to_fs(str(self.folder or plain), use_listings_cache=False)
            self.files = DirFileSystem(str(path).rstrip("/"), files)

    def __str__(self) -> str:
        return self._shown

    def fetch(self, artifact: StoredArtifact, *, of: str = "") -> Path:
        """Give a local path to a stored file whose bytes are the registered ones.

        Args:
            artifact: the file, as the registry names it.
            of: what it belongs to, for error messages.

        Raises:
            ArtifactMissing: it is gone.
            ArtifactCorrupt: its bytes are not the ones that were registered.
        """
        path = (self.folder or self.cache) / artifact.uri
        # Of a copy that somebody changed, nobody needs evidence.
        if self.folder is None and self._sha256_of(path) != artifact.sha256:
            self._download(artifact.uri, path)
        self.verify(artifact, path, of=of)
        return path

    def verify(self, artifact: StoredArtifact, path: Path, *, of: str = "") -> None:
        """Refuse a local file whose bytes are not the registered ones; raises as `fetch` does."""
        received = f"{artifact.kind} {artifact.digest[:12]}{f' of {of}' if of else ''}, file {artifact.uri}"
        found = self._sha256_of(path)
        if not found:
            raise ArtifactMissing(
                received,
                f"it is not under {self}",
                "set EVERGREEN_ARTIFACT_ROOT to where it was stored, or bring it back from a backup",
            )
        if found != artifact.sha256:
            size = path.stat().st_size
            raise ArtifactCorrupt(
                received,
                f"its {artifact.bytes:,} bytes had SHA-256 {artifact.sha256}, the {size:,} that are there have {found}",
                "bring it back from a backup, or roll back to another version",
            )

    def _sha256_of(self, path: Path) -> str:
        """Hash a local file; of one that is not there, nothing matches."""
        with self.explained("read", path.name), suppress(FileNotFoundError):
            return file_sha256(path) if path.is_file() else ""
        return ""

    def _download(self, uri: str, copy: Path) -> None:
        """Make the local copy of a remote file, if there is such a file, in place of whatever lies there."""
        with self.explained("read", uri), suppress(FileNotFoundError):
            remove_whatever(copy)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(copy, sync=False) as temporary:
                self.files.get_file(uri, str(temporary))

    @contextmanager
    def explained(self, verb: str, uri: str = "", kind: type[ArtifactError] = ArtifactError) -> Iterator[None]:
        """Say what is wrong with the place in a sentence, and without the password that its URL may hold."""
        try:
            yield
        except ArtifactError:
            raise
        except Exception as error:  # every backend of fsspec brings exceptions of its own
            why = getattr(error, "strerror", None) or gist(error)
            if self.folder:
                fix = "see that the artifact root exists, is writable and has space (EVERGREEN_ARTIFACT_ROOT)"
                raise kind(f"file {self.folder / uri}", why, fix) from error
            fix = "see that EVERGREEN_ARTIFACT_ROOT names a reachable place, and that credentials for it are set"
            raise kind(f"artifact root {self}", f"cannot {verb} there: {why}", fix) from error


def file_sha256(path: Path) -> str:
    """Hash a local file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
