"""Which files lie in a landing folder, and which of them are whole."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evergreen_client.shown import gist

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip", ".zst": "zstd"}
UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", "~")
HINT = "land it as CSV, Parquet or JSON Lines, plain or compressed with gzip, bz2, xz, zstd or zip"


@dataclass(frozen=True)
class ListedFile:
    """A file as it lies in the landing folder.

    Args:
        uri: where it is.
        stamp: digest of uri, size and times (or a store's own tag); another content has another stamp.
        size: bytes.
        fault: why it cannot be a file of rows, or "".
    """

    uri: str
    stamp: str
    size: int
    fault: str = ""

    @property
    def refusal(self) -> str:
        """Why it will not even be opened, or ""."""
        return self.fault or ("" if self.format else "its name does not say what it is")

    @property
    def compression(self) -> str | None:
        """How fsspec names the compression; None for a plain file."""
        return COMPRESSIONS.get(PurePosixPath(self.uri).suffix.lower())

    @property
    def format(self) -> str | None:
        """csv, jsonl or parquet by the name; None for any other."""
        name = PurePosixPath(self.uri)
        return FORMATS.get((name.with_suffix("") if self.compression else name).suffix.lower())


@dataclass(frozen=True)
class Listing:
    """The files found at one moment, in the order of their names, and the unfinished ones."""

    files: tuple[ListedFile, ...]
    unfinished: tuple[str, ...] = ()


def list_files(landing: str, path: str, settle: float) -> Listing:
    """List the files of a source. A folder that is not there yet is an empty one.

    Args:
        landing: folder or fsspec URL that `path` is relative to.
        path: folder, file or glob, or an absolute path or URL.
        settle: seconds for which a local file must stay as it is; younger ones are listed twice.
    """
    place = os.path.expandvars(path)
    if "://" in place:
        return _list_remote(place)
    if "://" in landing:
        return _list_remote(f"{landing.rstrip('/')}/{place}")
    return _list_local(Path(landing) / place, settle)


def _list_local(place: Path, settle: float) -> Listing:
    """List local files; one that changes meanwhile is unfinished."""
    before = {path: _status(path) for path in _local_files(place)}
    youngest = max((status.st_mtime for status in before.values() if status), default=0.0)
    unfinished = []
    if (wait := min(settle, youngest + settle - time.time())) > 0:
        time.sleep(wait)
        unfinished = [path for path in before if _stamp(path, _status(path)) != _stamp(path, before[path])]
    root = _fixed_part(place).resolve()
    files = (_listed(path, root) for path in before if path not in unfinished)
    return Listing(tuple(file for file in files if file), tuple(str(path) for path in unfinished))


def _local_files(place: Path) -> Iterator[Path]:
    """Files at a path, in a folder and its folders, or matching a glob, by name; unfinished names are left out."""
    fixed = _fixed_part(place)
    found: Iterable[Path]
    if fixed != place:
        found = fixed.glob(str(place.relative_to(fixed)))
    elif place.is_dir():
        found = (Path(folder) / name for folder, _, names in os.walk(place) for name in names)
    else:
        found = [place] if os.path.lexists(place) else []
    for path in sorted(set(found)):
        if _finished(path.relative_to(fixed).parts or (path.name,)) and (path.is_symlink() or not path.is_dir()):
            yield path


def _fixed_part(place: Path) -> Path:
    """The path up to its first part with a wildcard."""
    wild = [index for index, part in enumerate(place.parts) if any(sign in part for sign in "*?[")]
    return Path(*place.parts[: wild[0]]) if wild else place


def _finished(parts: tuple[str, ...]) -> bool:
    """Whether no part of the name says hidden, internal or still being written."""
    return not any(part.startswith((".", "_")) or part.lower().endswith(UNFINISHED) for part in parts)


def _listed(path: Path, root: Path) -> ListedFile | None:
    """A local file with its stamp, or with the reason why it is left closed; None if it has just vanished."""
    status, fault = None, ""
    try:
        inside = path.resolve().is_relative_to(root)
        status = path.stat()
        if not inside:
            fault = "it is a link that leads out of the landing folder"
        elif not stat.S_ISREG(status.st_mode):
            fault = "it is no regular file"
    except FileNotFoundError:
        if not path.is_symlink():
            return None
        fault = "it is a link to a file that is not there"
    except (OSError, RuntimeError) as error:
        fault = f"it cannot be looked at: {gist(error)}"
    return ListedFile(str(path), _stamp(path, status), status.st_size if status else 0, fault)


def _status(path: Path) -> os.stat_result | None:
    with suppress(OSError):
        return path.stat()
    return None


def _stamp(path: Path, status: os.stat_result | None) -> str:
    """What changes when a file is rewritten; the change time cannot be set by whoever copies with old dates."""
    state = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}" if status else ""
    return _digest(f"{path} {state}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _list_remote(url: str) -> Listing:
    """List an fsspec URL's files; stores show whole files only, so nothing has to settle."""
    import fsspec

    fs, place = fsspec.core.url_to_fs(url)
    try:
        wild = any(sign in place for sign in "*?[")
        found = fs.glob(place, detail=True) if wild else fs.find(place, detail=True)
    except FileNotFoundError:
        return Listing(())
    root = place.split("*")[0].rstrip("/")
    files = []
    for name, info in sorted(found.items()):
        below = name.removeprefix(root).strip("/").split("/")
        if info["type"] == "file" and _finished(tuple(below)):
            uri = fs.unstrip_protocol(name)
            files.append(ListedFile(uri, _digest(f"{uri} {fs.ukey(name)}"), int(info["size"] or 0)))
    return Listing(tuple(files))


def still_same(file: ListedFile) -> bool:
    """Whether a local file is as it was when it was listed; a store's files change as a whole."""
    path = Path(file.uri)
    return "://" in file.uri or _stamp(path, _status(path)) == file.stamp
