"""A landed file as a plain local one to read: downloaded if it is remote, unpacked if it is compressed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from arrivals.listing import HINT, HINT_PLACE, ListedFile
from errors import FileNotReady, UnreadableFile
from evergreen_client.shown import gist

BOMB_BYTES, BOMB_RATIO = 1 << 28, 200  # a file that unpacks past both is refused
BLOCK = 1 << 20
WAIT = "wait; the next run tries again"


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
    import fsspec

    limit = max(BOMB_BYTES, BOMB_RATIO * file.size)
    try:
        with fsspec.open(str(path), "rb", compression=file.compression).open() as packed, target.open("wb") as plain:
            while plain.tell() <= limit and (block := packed.read(BLOCK)):
                plain.write(block)
    except Exception as error:  # each codec has exceptions of its own
        raise UnreadableFile(file.uri, f"it cannot be unpacked ({gist(error)})", "land it again, whole") from error
    if target.stat().st_size > limit:
        why = f"its {file.size:,} bytes unpack to more than {limit:,}: that is no data, but a bomb"
        raise UnreadableFile(file.uri, why, "unpack it yourself if it is what you want")
