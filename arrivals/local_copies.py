"""A landed file as a plain local one to read: downloaded if it is remote, unpacked if it is compressed."""

from __future__ import annotations

import errno
import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from arrivals.listing import HINT, HINT_PLACE, ListedFile
from errors import FileNotReady, UnreadableFile
from evergreen_client.shown import gist

BOMB_BYTES, BOMB_RATIO = 1 << 28, 200  # a file that unpacks past both is refused
BLOCK = 1 << 20
WAIT = "wait; the next run tries again"
OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # our own disk refuses the copy: no fault of the file


@dataclass(frozen=True)
class LocalCopy:
    """A local, plain file.

    Args:
        path: where it is.
        format: csv, jsonl or parquet.
        name: how messages call it: as it landed.
        sha256: of the bytes as they landed.
    """

    path: Path
    format: str
    name: str
    sha256: str


@contextmanager
def local_copy(file: ListedFile, work: Path) -> Iterator[LocalCopy]:
    """Give a landed file as a plain local one.

    A remote file is downloaded and a compressed one unpacked into `work`, in blocks.

    Raises:
        FileNotReady: it cannot be read at the moment.
        UnreadableFile: it is no file of rows, cannot be unpacked, or unpacks without end.
    """
    if file.refusal:
        raise UnreadableFile(file.uri, file.refusal, HINT_PLACE if file.fault else HINT)
    work.mkdir(parents=True, exist_ok=True)
    path, downloaded, plain = Path(file.uri), work / "downloaded", work / "unpacked"
    try:
        try:
            if file.remote:
                store, name = file.remote
                path = downloaded
                store.get_file(name, str(path))
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            if error.errno in OURS:
                raise
            raise FileNotReady(file.uri, f"it cannot be read at the moment ({gist(error)})", WAIT) from error
        if file.compression:
            _unpack(path, plain, file)
            path = plain
        yield LocalCopy(path, file.format or "", file.uri, digest)
    finally:
        downloaded.unlink(missing_ok=True)
        plain.unlink(missing_ok=True)


def _unpack(path: Path, target: Path, file: ListedFile) -> None:
    """Unpack in blocks, so that a bomb fills neither memory nor disk."""
    limit = max(BOMB_BYTES, BOMB_RATIO * file.size)
    with target.open("wb") as plain:
        for block in _blocks(path, file):
            plain.write(block)
            if plain.tell() > limit:
                why = f"its {file.size:,} bytes unpack to more than {limit:,}: that is no data, but a bomb"
                raise UnreadableFile(file.uri, why, "unpack it yourself if it is what you want")


def _blocks(path: Path, file: ListedFile) -> Iterator[bytes]:
    """What a compressed file holds; only what reading it raises is the file's own fault, not what writing raises."""
    try:
        with _opened(path, file) as packed:
            while block := packed.read(BLOCK):
                yield block
    except UnreadableFile:
        raise
    except Exception as error:  # each codec has exceptions of its own
        raise UnreadableFile(file.uri, f"it cannot be unpacked ({gist(error)})", "land it again, whole") from error


@contextmanager
def _opened(path: Path, file: ListedFile) -> Iterator[IO[bytes]]:
    """A compressed file, open to be read; a zip archive only if it holds one file, for no other would be read.

    Folders do not count, nor what macOS puts beside every file.
    """
    if file.compression != "zip":
        import fsspec

        with fsspec.open(str(path), "rb", compression=file.compression).open() as packed:
            yield packed
        return
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not (one.is_dir() or one.filename.startswith("__MACOSX/"))]
        if len(members) != 1:
            why = f"the zip archive holds {len(members):,} files, where one is expected"
            raise UnreadableFile(file.uri, why, "land them one by one")
        with archive.open(members[0]) as packed:
            yield packed
