"""Where stored files lie: a local folder, or whatever fsspec reaches."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from errors import ArtifactError, ArtifactUnwritable

TEMPORARY = ".tmp"
PIECE = 1 << 20


@dataclass(frozen=True)
class FileState:
    """How long a stored file is, and when it was stored, or kept."""

    bytes: int
    modified: datetime


class Root(Protocol):
    """What the store needs of a place. A uri is relative to the root, with slashes."""

    def find(self, prefix: str) -> list[str]:
        """Every stored file whose uri begins like this, unfinished ones too."""

    def keep(self, uri: str) -> bool:
        """Make a file look new, so that nobody collects it before it is registered; False if it cannot be."""

    def sha256(self, uri: str) -> str:
        """Hash a stored file."""

    def look(self, uri: str) -> FileState | None:
        """Length and time of a stored file; None if it is gone."""

    def add(self, path: Path, stem: str) -> tuple[str, int, str]:
        """Store a file as `STEM.SHA256.SUFFIX`; returns SHA-256, length and uri."""

    def local_copy(self, uri: str, cache: Path) -> Path | None:
        """A local path to a stored file, not verified; None if there is none."""

    def forget_copy(self, path: Path) -> None:
        """Remove a local copy that turned out to be damaged."""

    def remove(self, uri: str, unless_since: datetime) -> bool:
        """Remove a file, unless somebody stored or kept it since; whether it was removed."""


class LocalRoot:
    """A folder. A file appears under its name when all of its bytes are on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def find(self, prefix: str) -> list[str]:
        """Walk the folders that can hold such files."""
        top = self.folder / Path(f"{prefix}x").parent
        found = (path.relative_to(self.folder).as_posix() for path in top.rglob("*") if path.is_file())
        return sorted(uri for uri in found if uri.startswith(prefix))

    def keep(self, uri: str) -> bool:
        """Set the file's time to now."""
        with suppress(OSError):
            os.utime(self.folder / uri)
            return True
        return False

    def sha256(self, uri: str) -> str:
        """Hash the file; of one that has gone, nothing matches."""
        try:
            return file_sha256(self.folder / uri)
        except FileNotFoundError:
            return ""

    def look(self, uri: str) -> FileState | None:
        """Ask the file system."""
        try:
            found = (self.folder / uri).stat()
        except FileNotFoundError:
            return None
        return FileState(found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def add(self, path: Path, stem: str) -> tuple[str, int, str]:
        """Write a temporary file, flush it to the disk, then rename it: no name leads to half a file."""
        folder = (self.folder / stem).parent
        temporary = folder / f".{uuid4().hex}{TEMPORARY}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sha256, size = _copy(path, temporary)
            uri = f"{stem}.{sha256}{path.suffix}"
            temporary.replace(self.folder / uri)
            _flush_names(folder, self.folder)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _unwritable(folder / path.name, error) from error
        return sha256, size, uri

    def local_copy(self, uri: str, _cache: Path) -> Path | None:
        """The file itself."""
        path = self.folder / uri
        return path if path.is_file() else None

    def forget_copy(self, path: Path) -> None:
        """Leave a damaged file where it is: it is evidence, and no copy."""

    def remove(self, uri: str, unless_since: datetime) -> bool:
        """Take the name away, then look at the time again: a writer that kept the file is seen, or writes anew."""
        path = self.folder / uri
        aside = path.with_name(f".{uuid4().hex}{TEMPORARY}")
        try:
            path.replace(aside)
            if aside.stat().st_mtime > unless_since.timestamp():
                aside.replace(path)
                return False
            aside.unlink()
        except FileNotFoundError:  # somebody else collects too
            return False
        except OSError as error:
            raise _unwritable(path, error) from error
        return True


class RemoteRoot:
    """An fsspec URL. Object stores show an object whole or not at all, so no temporary name is needed."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        with self._explained("open"):
            self.files, path = fsspec.url_to_fs(self.url, use_listings_cache=False)
        self.path = str(path).rstrip("/")

    def __str__(self) -> str:
        return self.url

    def find(self, prefix: str) -> list[str]:
        """List the objects that begin like this."""
        folder = f"{self.path}/{prefix}".rsplit("/", 1)[0]
        with self._explained("list"):
            found = [str(path).removeprefix(self.path).lstrip("/") for path in self._list(folder)]
        return sorted(uri for uri in found if uri.startswith(prefix))

    def _list(self, folder: str) -> Iterator[str]:
        try:
            yield from self.files.find(folder)
        except FileNotFoundError:
            return

    def keep(self, uri: str) -> bool:
        """An object cannot be made new without writing it again; one of the last hours is new enough."""
        found = self.look(uri)
        return found is not None and datetime.now(UTC) - found.modified < timedelta(hours=6)

    def sha256(self, uri: str) -> str:
        """Hash the object as it streams by."""
        with self._explained("read"), self.files.open(f"{self.path}/{uri}", "rb") as file:
            return str(hashlib.file_digest(file, "sha256").hexdigest())

    def look(self, uri: str) -> FileState | None:
        """Ask the object store."""
        with self._explained("read"):
            try:
                size = int(self.files.size(f"{self.path}/{uri}"))
                when: datetime = self.files.modified(f"{self.path}/{uri}")
            except FileNotFoundError:
                return None
        return FileState(size, when if when.tzinfo else when.replace(tzinfo=UTC))

    def add(self, path: Path, stem: str) -> tuple[str, int, str]:
        """Upload the file, then see that all of it arrived."""
        sha256, size = file_sha256(path), path.stat().st_size
        uri = f"{stem}.{sha256}{path.suffix}"
        with self._explained("write", ArtifactUnwritable):
            try:
                self.files.put_file(str(path), f"{self.path}/{uri}")
            except FileNotFoundError:  # where folders must be made, make them; never a misspelt bucket
                for folder in list(Path(uri).parents)[-2::-1]:
                    with suppress(FileExistsError):
                        self.files.mkdir(f"{self.path}/{folder}", create_parents=False)
                self.files.put_file(str(path), f"{self.path}/{uri}")
        arrived = self.look(uri)
        if arrived is None or arrived.bytes != size:
            raise ArtifactUnwritable(f"file {path.name}", f"only part of it arrived at {self}", "try again")
        return sha256, size, uri

    def local_copy(self, uri: str, cache: Path) -> Path | None:
        """Download the object once; its name holds its SHA-256, so it never changes."""
        copy = cache / uri
        if copy.is_file():
            return copy
        copy.parent.mkdir(parents=True, exist_ok=True)
        temporary = copy.with_name(f".{uuid4().hex}{TEMPORARY}")
        with self._explained("read"):
            try:
                self.files.get_file(f"{self.path}/{uri}", str(temporary))
            except FileNotFoundError:
                temporary.unlink(missing_ok=True)
                return None
        temporary.replace(copy)
        return copy

    def forget_copy(self, path: Path) -> None:
        """Remove the download, so that the next fetch downloads again."""
        path.unlink(missing_ok=True)

    def remove(self, uri: str, unless_since: datetime) -> bool:
        """Look at the time once more, then remove."""
        found = self.look(uri)
        if found is None or found.modified > unless_since:
            return False
        with self._explained("remove", ArtifactUnwritable):
            self.files.rm_file(f"{self.path}/{uri}")
        return True

    @contextmanager
    def _explained(self, verb: str, kind: type[ArtifactError] = ArtifactError) -> Iterator[None]:
        try:
            yield
        except ArtifactError:
            raise
        except Exception as error:  # every backend of fsspec brings exceptions of its own
            raise kind(
                f"artifact root {self.url}",
                f"cannot {verb} there: {error or type(error).__name__}",
                "see that EVERGREEN_ARTIFACT_ROOT names a reachable place, and that credentials for it are set",
            ) from error


def file_sha256(path: Path) -> str:
    """Hash a local file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unwritable(path: Path, error: OSError) -> ArtifactUnwritable:
    return ArtifactUnwritable(
        f"file {path}",
        error.strerror or str(error),
        "see that the artifact root exists, is writable and has space (EVERGREEN_ARTIFACT_ROOT)",
    )


def _copy(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file to the disk itself; returns SHA-256 and length of what was written."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(PIECE):
            digest.update(piece)
            size += writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    shutil.copymode(source, target)
    return digest.hexdigest(), size


def _flush_names(folder: Path, top: Path) -> None:
    """Flush the folders from a file's own up to the root: a name is on the disk when its folder is."""
    while True:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if folder == top:
            return
        folder = folder.parent
