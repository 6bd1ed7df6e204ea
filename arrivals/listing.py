"""Which files lie in a landing folder, and which of them are whole."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from errors import UnreachableSource, did_you_mean
from evergreen_client.shown import gist, masked

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip", ".zst": "zstd"}
WRITTEN = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", "~")
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
HINT_PLACE = "land a file itself there, under a name that is UTF-8"
HINT = "land it as CSV, Parquet or JSON Lines, plain or compressed with gzip, bz2, xz, zstd or zip"


@dataclass(frozen=True)
class ListedFile:
    """A file as it lies in the landing folder.

    Args:
        uri: where it is.
        stamp: digest of uri, size and times (or a store's own tag); another content has another stamp.
        size: bytes.
        fault: why it cannot be a file of rows, or "".
        modified: when it was written, as far as its store says.
        remote: the store that has it, and its name there; None for a local file.
    """

    uri: str
    stamp: str
    size: int
    fault: str = ""
    modified: datetime | None = field(default=None, compare=False)
    remote: tuple[Any, str] | None = field(default=None, repr=False, compare=False)

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
    """List the files of a source.

    Args:
        landing: folder or fsspec URL that `path` is relative to; whatever it holds is meant literally.
        path: folder, file or glob, or an absolute path or URL.
        settle: seconds for which a local file must stay as it is; younger ones are listed twice.

    Raises:
        UnreachableSource: it is not there, or cannot be listed. An empty folder is fine.
    """
    place = expanded(path)
    if "://" in place or "://" in landing:
        return _list_remote(landing.rstrip("/"), place)
    return _list_local(Path(landing), place, settle)


def expanded(path: str) -> str:
    """The path with its environment variables filled in.

    Raises:
        UnreachableSource: one of them is not set; left as it is, it would be a folder that nobody ever makes.
    """
    for variable in VARIABLE.findall(path):
        if variable not in os.environ:
            raise UnreachableSource(f"the source '{path}'", f"{variable} is not set", "set it where the run starts")
    return os.path.expandvars(path)


def _list_local(landing: Path, path: str, settle: float) -> Listing:
    """List local files; one that changes meanwhile is unfinished."""
    fixed, pattern = (path, "") if os.path.lexists(landing / path) else parted(path, "*?[")
    root = landing / fixed
    with _explained(root, _near(root)):
        found, faults = _local_files(root, pattern)
    before = {file: _status(file) for file in found if file not in faults}
    youngest = max((status.st_mtime for status in before.values() if status), default=0.0)
    unfinished = []
    if (wait := min(settle, youngest + settle - time.time())) > 0:
        time.sleep(wait)
        unfinished = [file for file in before if _stamp(file, _status(file)) != _stamp(file, before[file])]
    inside = root.resolve()
    files = (_listed(file, inside, faults.get(file, "")) for file in found if file not in unfinished)
    return Listing(tuple(file for file in files if file), tuple(_shown(file) for file in unfinished))


def parted(path: str, wild: str) -> tuple[str, str]:
    """The path up to its first part with a wildcard, and the rest."""
    parts = path.split("/")
    place = next((place for place, part in enumerate(parts) if any(sign in part for sign in wild)), len(parts))
    return "/".join(parts[:place]) or "/"[: path.startswith("/")], "/".join(parts[place:])


def _local_files(root: Path, pattern: str) -> tuple[list[Path], dict[Path, str]]:
    """Files at a path, below a folder, or in it matching a glob, by name; and folders in it that cannot be looked into.

    Links to folders are not followed, and listed as files, so that they are not passed over without a word.
    """
    faults: dict[Path, str] = {}
    found: Iterable[Path] = [root]
    if pattern:
        next(root.iterdir(), None)  # it raises where a glob would find nothing
        found = root.glob(pattern)
    elif stat.S_ISDIR(root.stat().st_mode):
        next(root.iterdir(), None)
        closed: list[OSError] = []
        tree = os.walk(root, onerror=closed.append)
        found = {
            Path(folder, name)
            for folder, folders, names in tree
            for name in (*names, *(name for name in folders if Path(folder, name).is_symlink()))
        }
        faults = {Path(error.filename): f"it is a folder that cannot be listed ({error.strerror})" for error in closed}
    names = (file for file in {*found, *faults} if file in faults or not _is_folder(file))
    return sorted(file for file in names if _finished(file.relative_to(root).parts or (file.name,))), faults


def _is_folder(path: Path) -> bool:
    with suppress(OSError):  # of a folder whose names may be read, and nothing else
        return path.is_dir() and not path.is_symlink()
    return False


@contextmanager
def _explained(place: object, hint: str = "") -> Iterator[None]:
    """Say in a sentence that a source is not there, or does not answer: every store has errors of its own."""
    try:
        yield
    except UnreachableSource:
        raise
    except Exception as error:
        said = str(error).partition("\n")[0] if isinstance(error, ImportError) else gist(error)
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        why = "there is no such folder or file" if gone else f"it cannot be listed ({said})"
        fix = f"{hint}correct EVERGREEN_LANDING or the model's Source, or make the folder: an empty one is fine"
        if not gone:
            fix = "see that it can be reached and read from here; EVERGREEN_LANDING and the model's Source name it"
        raise UnreachableSource(f"the source '{place}'", why, fix) from error


def _near(place: Path) -> str:
    """A question to begin the fix with, if a folder beside the missing one has nearly its name."""
    with suppress(OSError):
        return did_you_mean(place.name, [other.name for other in place.parent.iterdir()])
    return ""


def _finished(parts: Sequence[str]) -> bool:
    """Whether no part of the name says hidden, internal or still being written."""
    return not any(part.startswith((".", "_")) or part.lower().endswith(UNFINISHED) for part in parts)


def _listed(path: Path, root: Path, fault: str) -> ListedFile | None:
    """A local file with its stamp, or with the reason why it is left closed; None if it has just vanished."""
    status, uri = None, _shown(path)
    try:
        inside = path.resolve().is_relative_to(root)
        status = path.stat()
        if not inside:
            fault = "it is a link that leads out of the landing folder"
        elif path.is_symlink() and path.is_dir():
            fault = "it is a link to a folder, and those are not followed"
        elif not fault and not stat.S_ISREG(status.st_mode):
            fault = "it is no regular file"
        elif uri != str(path):
            fault = "its name is not UTF-8"
    except FileNotFoundError:
        if not path.is_symlink():
            return None
        fault = "it is a link to a file that is not there"
    except (OSError, RuntimeError) as error:
        fault = f"it cannot be looked at ({getattr(error, 'strerror', None) or 'its links go round in a circle'})"
    if fault and path.is_symlink():  # what changes behind it makes no new file of it
        with suppress(OSError):
            status = path.lstat()
    size, modified = (status.st_size, _instant(status.st_mtime_ns)) if status else (0, None)
    return ListedFile(uri, _stamp(path, status), size, fault, modified)


def _instant(nanoseconds: int) -> datetime | None:
    """A file's time, exactly; None where no calendar has it."""
    with suppress(OverflowError):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1_000)
    return None


def _shown(path: Path) -> str:
    """The path as text that can be stored and printed; bytes that are no UTF-8 are written out in hex."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


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


def _list_remote(landing: str, path: str) -> Listing:
    """List an fsspec URL's files; stores show whole files only, so nothing has to settle."""
    import fsspec
    from fsspec.utils import glob_translate

    literal, path = ("", path) if "://" in path else (landing, path)
    url = f"{literal}/{path}" if literal else path
    with _explained(url):
        fixed, pattern = parted(url.removeprefix(literal), "*[" if url.startswith("http") else "*?[")
        store, root = fsspec.core.url_to_fs(f"{literal}{fixed}".rstrip("/"))
        store.invalidate_cache()  # a worker lives for months
        depth = None if "**" in pattern or not pattern else pattern.count("/") + 1
        found = store.find(root, detail=True, maxdepth=depth)
        if not found and root:
            store.ls(root, detail=False)  # many a store finds nothing where it cannot even look
        # Of a URL such as ftp://host/folder a store keeps the folder only, and its files would have lost their host.
        host = f"{literal}{fixed}".rstrip("/").removesuffix(root)
        matching = re.compile(glob_translate(pattern)) if pattern else None
        files = []
        for name, info in sorted(found.items()):
            below = name.removeprefix(root).strip("/")
            matches = matching is None or matching.match(below)
            if info["type"] == "file" and matches and _finished((below or name).split("/")):
                uri = masked(host + name if host and host in url else store.unstrip_protocol(name))
                stamp = _digest(f"{uri} {store.ukey(name)}")
                size, modified = int(info.get("size") or 0), _modified(info)
                files.append(ListedFile(uri, stamp, size, modified=modified, remote=(store, name)))
    return Listing(tuple(files))


def _modified(info: Mapping[str, Any]) -> datetime | None:
    """When a store says that a file was written; each has a name of its own for it."""
    found = next((value for name in WRITTEN if (value := info.get(name)) is not None), None)
    if isinstance(found, str):
        with suppress(ValueError):
            found = datetime.fromisoformat(found)
    if isinstance(found, int | float):
        found = _instant(int(found * 1e9))
    if not isinstance(found, datetime):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def still_same(file: ListedFile) -> bool:
    """Whether a local file is as it was when it was listed; a store's files change as a whole."""
    path = Path(file.uri)
    return "://" in file.uri or _stamp(path, _status(path)) == file.stamp


def vanished(file: ListedFile) -> bool:
    """Whether a local file is gone."""
    return "://" not in file.uri and not Path(file.uri).exists()
