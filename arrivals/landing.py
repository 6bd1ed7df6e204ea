"""What lies in a landing folder: which files are whole, and a local, plain copy of each to read."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from errors import UnreadableFile

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip", ".zst": "zstd"}
UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", "~")
BOMB_BYTES, BOMB_RATIO = 1 << 28, 200  # a file that unpacks past both is refused
BLOCK = 1 << 20
HINT = "land it as CSV, Parquet or JSON Lines, plain or compressed with gzip, bz2, xz, zstd or zip"


class NotNow(Exception):
    """A file that cannot be read at the moment, through no fault of its content: nothing is recorded."""


@dataclass(frozen=True)
class Landed:
    """A file as it lies in the landing folder.

    Args:
        uri: where it is.
        stamp: digest of uri, size and times (or a store's own tag); another content has another stamp.
        size: bytes.
        refusal: why it will not even be opened, or "".
    """

    uri: str
    stamp: str
    size: int
    refusal: str = ""

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
class Landing:
    """What a look at the landing folder found: files in the order of their names, and unfinished ones."""

    files: tuple[Landed, ...]
    unfinished: tuple[str, ...] = ()


def look(landing: str, path: str, settle: float) -> Landing:
    """List the files of a source. A folder that is not there yet is an empty one.

    Args:
        landing: folder or fsspec URL that `path` is relative to.
        path: folder, file or glob, or an absolute path or URL.
        settle: seconds for which a local file must stay as it is; younger ones are looked at twice.
    """
    place = os.path.expandvars(path)
    if "://" in place:
        return _look_remote(place)
    if "://" in landing:
        return _look_remote(f"{landing.rstrip('/')}/{place}")
    return _look_local(Path(landing) / place, settle)


def _look_local(place: Path, settle: float) -> Landing:
    """List local files; one that changes while we look is unfinished."""
    first = list(_local_files(place))
    youngest = max((_times(path) for path in first), default=0.0)
    if (wait := min(settle, youngest + settle - time.time())) > 0:
        before = {path: _stamp(path) for path in first}
        time.sleep(wait)
        unfinished = [path for path in first if _stamp(path) != before[path]]
    else:
        unfinished = []
    root = _fixed_part(place).resolve()
    files = (_landed(path, root) for path in first if path not in unfinished)
    return Landing(tuple(file for file in files if file), tuple(str(path) for path in unfinished))


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


def _landed(path: Path, root: Path) -> Landed | None:
    """A local file with its stamp, or with the reason why it is left closed; None if it has just vanished."""
    try:
        inside = path.resolve().is_relative_to(root)
        what = path.stat()
    except FileNotFoundError:
        if not path.is_symlink():
            return None
        return Landed(str(path), _digest(path, None), 0, "it is a link to a file that is not there")
    except (OSError, RuntimeError) as error:
        return Landed(str(path), _digest(path, None), 0, f"it cannot be looked at: {error}")
    refusal = ""
    if not inside:
        refusal = "it is a link that leads out of the landing folder"
    elif not stat.S_ISREG(what.st_mode):
        refusal = "it is no regular file"
    file = Landed(str(path), _digest(path, what), what.st_size, refusal)
    if not refusal and not file.format:
        return Landed(file.uri, file.stamp, file.size, "its name does not say what it is")
    return file


def _times(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _stamp(path: Path) -> str:
    try:
        return _digest(path, path.stat())
    except OSError as error:
        return type(error).__name__


def _digest(path: Path, what: os.stat_result | None) -> str:
    """What changes when a file is rewritten; the change time cannot be set by whoever copies with old dates."""
    state = f"{what.st_size} {what.st_mtime_ns} {what.st_ctime_ns} {what.st_ino}" if what else ""
    return _sign(f"{path} {state}")


def _sign(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _look_remote(url: str) -> Landing:
    """List an fsspec URL's files; stores show whole files only, so nothing has to settle."""
    import fsspec

    fs, place = fsspec.core.url_to_fs(url)
    try:
        wild = any(sign in place for sign in "*?[")
        found = fs.glob(place, detail=True) if wild else fs.find(place, detail=True)
    except FileNotFoundError:
        return Landing(())
    root = place.split("*")[0].rstrip("/")
    files = []
    for name, info in sorted(found.items()):
        below = name.removeprefix(root).strip("/").split("/")
        if info["type"] == "file" and _finished(tuple(below)):
            file = Landed(
                fs.unstrip_protocol(name), _sign(f"{fs.unstrip_protocol(name)} {fs.ukey(name)}"), int(info["size"] or 0)
            )
            refusal = "" if file.format else "its name does not say what it is"
            files.append(Landed(file.uri, file.stamp, file.size, refusal))
    return Landing(tuple(files))


@contextmanager
def local_copy(file: Landed, work: Path) -> Iterator[tuple[Path, str]]:
    """Give a landed file as a plain local one, with the SHA-256 of its bytes as they landed.

    A remote file is downloaded and a compressed one unpacked into `work`, in blocks.

    Raises:
        NotNow: it cannot be read at the moment.
        UnreadableFile: it cannot be unpacked, or unpacks without end.
    """
    work.mkdir(parents=True, exist_ok=True)
    path, downloaded, plain = Path(file.uri), work / "downloaded", work / "unpacked"
    try:
        try:
            if "://" in file.uri:
                path = downloaded
                _download(file.uri, path)
            digest = _sha256(path)
        except OSError as error:
            raise NotNow(f"it cannot be read at the moment ({error}); the next run tries again") from error
        if file.compression:
            _unpack(path, plain, file)
            path = plain
        yield path, digest
    finally:
        downloaded.unlink(missing_ok=True)
        plain.unlink(missing_ok=True)


def still_same(file: Landed) -> bool:
    """Whether a local file is as it was when it was listed; a store's files change as a whole."""
    return "://" in file.uri or _stamp(Path(file.uri)) == file.stamp


def _download(uri: str, target: Path) -> None:
    import fsspec

    fs, place = fsspec.core.url_to_fs(uri)
    fs.get_file(place, str(target))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unpack(path: Path, target: Path, file: Landed) -> None:
    """Unpack in blocks, so that a bomb fills neither memory nor disk."""
    import fsspec

    limit = max(BOMB_BYTES, BOMB_RATIO * file.size)
    written = 0
    try:
        with fsspec.open(str(path), "rb", compression=file.compression).open() as packed, target.open("wb") as plain:
            for block in _blocks(packed):
                plain.write(block)
                written += len(block)
                if written > limit:
                    break
    except Exception as error:  # each codec has exceptions of its own
        raise UnreadableFile(file.uri, f"it cannot be unpacked ({error})", "land it again, whole") from error
    if written > limit:
        why = f"its {file.size:,} bytes unpack to more than {limit:,}: that is no data, but a bomb"
        raise UnreadableFile(file.uri, why, "unpack it yourself if it is what you want")


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block
