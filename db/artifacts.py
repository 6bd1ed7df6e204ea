"""The artifact store: files known by what they hold, whole or absent, and verified on every load."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

from errors import ArtifactMissing, ArtifactUnwritable
from evergreen_client.artifacts import ArtifactRoot, StoredArtifact, file_sha256
from evergreen_client.durable import TEMPORARY, flush, written_whole

if TYPE_CHECKING:
    from db.records import VersionRecord

WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
STORED = re.compile(r"[a-z_-]+/\w\w?/(?P<digest>[\w-]+)\.(?P<sha256>[0-9a-f]{64})(\.\w+)?")
UNFINISHED = re.compile(rf"(.*/)?\.[^/]*{re.escape(TEMPORARY)}(\.\w+)?")
FLUSHED: set[Path] = set()  # folders whose names this process has seen written to the disk
NEW_ENOUGH = timedelta(hours=6)  # far less than gc's grace period


@dataclass(frozen=True)
class FileState:
    """A stored file as it lies there: its length, and when it was stored, or kept."""

    uri: str
    bytes: int
    modified: datetime


class ArtifactStore(ArtifactRoot):
    """Files under a root, named `KIND/XX/DIGEST.SHA256.SUFFIX`: no two contents ever share a name.

    In a folder, a file appears under its name when all of its bytes are on the disk. Object stores show an object
    whole or not at all, so no temporary name is needed there.

    Args:
        root: a folder, or any fsspec URL such as s3://bucket/prefix.
        cache: local folder that remote files are fetched to.

    Example:
        >>> _ = Path("january.parquet").write_bytes(b"rows")
        >>> store = ArtifactStore("artifacts", Path("cache"))
        >>> stored = store.put(Path("january.parquet"), kind="partition", digest="3f2a")
        >>> store.fetch(stored).read_bytes()
        b'rows'
    """

    def put(self, path: Path, *, kind: str, digest: str) -> StoredArtifact:
        """Store a file, or find that one of this kind and digest is stored already.

        Args:
            path: the file.
            kind: "base", "head", "partition", …
            digest: what the file holds, as its writer knows it; up to 64 letters, digits, - and _.

        Raises:
            ArtifactMissing: there is no such file.
            ArtifactUnwritable: the root refuses it.
        """
        if not WORD.fullmatch(kind) or not WORD.fullmatch(digest):
            raise ValueError(f"kind {kind!r} and digest {digest!r} become file names: letters, digits, - and _ only")
        if not path.is_file():
            raise ArtifactMissing(f"file {path}", "it is not there", "store it after it was written")
        stem = f"{kind}/{digest[:2]}/{digest}"
        for uri in self.find(f"{stem}."):
            known = STORED.fullmatch(uri)
            if known and self._keep(uri) and self.sha256(uri) == known["sha256"]:
                found = self.state(uri)
                if found is not None:
                    return StoredArtifact(digest, kind, uri, known["sha256"], found.bytes)
        sha256, size = file_sha256(path), path.stat().st_size
        uri = f"{stem}.{sha256}{path.suffix}"
        self.place(path, uri)
        return StoredArtifact(digest, kind, uri, sha256, size)

    def place(self, path: Path, uri: str) -> None:
        """Store a file under the very name that a registry knows it by, in place of whatever is there.

        Raises:
            ArtifactUnwritable: the root refuses it.
        """
        with self.explained("write", uri, ArtifactUnwritable):
            if self.folder:
                _write(path, self.folder / uri, self.folder)
            else:
                self._upload(path, uri)

    @contextmanager
    def fetched(self, artifact: StoredArtifact) -> Iterator[Path]:
        """Give a local path to a verified file for a moment; no copy of a remote one stays. Raises as `fetch` does."""
        if self.folder:
            yield self.fetch(artifact)
            return
        with TemporaryDirectory(prefix="evergreen-") as scratch:
            path = Path(scratch) / Path(artifact.uri).name
            self._download(artifact.uri, path)
            self.verify(artifact, path)
            yield path

    def fetch_version(self, version: VersionRecord) -> tuple[Path, Path]:
        """Give local, verified paths to a version's base and head."""
        name = f"version {version.number} of model '{version.model}'"
        return self.fetch(version.base, of=name), self.fetch(version.head, of=name)

    def find(self, prefix: str = "") -> list[str]:
        """Every stored file whose uri begins like this, unfinished ones too."""
        found: list[str] = []
        with self.explained("list"), suppress(FileNotFoundError):
            found = self.files.find(prefix.rpartition("/")[0])
        return sorted(uri for uri in found if uri.startswith(prefix))

    def state(self, uri: str) -> FileState | None:
        """Length and time of a stored file; None if it is gone."""
        with self.explained("read", uri), suppress(FileNotFoundError):
            size, when = self.files.size(uri), self.files.modified(uri)
            return FileState(uri, int(size), when if when.tzinfo else when.replace(tzinfo=UTC))
        return None

    def remove(self, uri: str, unless_since: datetime) -> bool:
        """Remove a file, unless somebody stored or kept it since; returns whether it was removed.

        In a folder, its name is taken away first, and only then the time is read: a writer that kept the file before
        is seen, and one that comes after finds nothing and writes anew.
        """
        name = Path(uri).with_name(f".{uuid4().hex}{TEMPORARY}").as_posix() if self.folder else uri
        with self.explained("remove", uri, ArtifactUnwritable), suppress(FileNotFoundError):  # others collect too
            if self.folder:
                (self.folder / uri).replace(self.folder / name)
            found = self.state(name)
            if found is not None and found.modified <= unless_since:
                self.files.rm_file(name)
                return True
            if self.folder:
                (self.folder / name).replace(self.folder / uri)
        return False

    def _keep(self, uri: str) -> bool:
        """Make a file look new, so that nobody collects it before it is registered; False if it cannot be.

        An object cannot be made new without writing it again; one of the last hours is new enough.
        """
        if self.folder:
            with suppress(OSError):
                os.utime(self.folder / uri)
                return True
            return False
        found = self.state(uri)
        return found is not None and datetime.now(UTC) - found.modified < NEW_ENOUGH

    def sha256(self, uri: str) -> str:
        """Hash a stored file as it streams by; of one that has gone, nothing matches."""
        with self.explained("read", uri), suppress(FileNotFoundError), self.files.open(uri, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
        return ""

    def _upload(self, path: Path, uri: str) -> None:
        try:
            self.files.put_file(str(path), uri)
        except FileNotFoundError:  # where folders must be made, make them; never a misspelt bucket
            for folder in list(Path(uri).parents)[-2::-1]:
                with suppress(FileExistsError):
                    self.files.mkdir(str(folder), create_parents=False)
            self.files.put_file(str(path), uri)
        arrived = self.state(uri)
        if arrived is None or arrived.bytes != path.stat().st_size:
            raise ArtifactUnwritable(f"file {path.name}", f"only part of it arrived at {self}", "try again")


def _write(source: Path, target: Path, top: Path) -> None:
    """Copy a file to the disk itself, and see that the names of its folders are there as well."""
    if not target.parent.is_dir():
        FLUSHED.discard(target.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(target) as temporary:
        shutil.copy(source, temporary)
    if target.parent not in FLUSHED:
        for folder in target.parent.relative_to(top).parents:
            flush(top / folder)
        FLUSHED.add(target.parent)
