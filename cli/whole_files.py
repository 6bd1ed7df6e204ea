"""Files that a person keeps are written whole or not at all: a full disk takes nothing that was there."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

# What a disk says that is full.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What it says of a new file where the old one may be written all the same: in a folder of somebody else, or where the
# file is a mount of its own, as in a container.
ONLY_IN_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY}
# What it says of a path that a person gave, where no file can be: a folder, below a file, a name too long.
NO_PLACE = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
REFUSALS = {*FULL, *ONLY_IN_PLACE, *NO_PLACE}


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step: what stood there before stays until all of the new text is on the disk.

    Where that cannot be, as nothing may be put beside it or in its place, the file itself is written.
    """
    path = path.resolve()  # a link stays one
    try:
        _replace(path, text)
    except OSError as error:
        error.filename = str(path)
        if error.errno not in ONLY_IN_PLACE or not path.exists() or not os.access(path, os.W_OK):
            raise
        _overwrite(path, text)


def _replace(path: Path, text: str) -> None:
    """Write the new text beside a file, and then put it in its place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(beside, text)
        if path.exists():
            beside.chmod(path.stat().st_mode)
        beside.replace(path)
    except OSError:
        with suppress(OSError):  # a disk that may only be read would tell of this file, which is nobody's
            beside.unlink(missing_ok=True)
        raise


def _overwrite(path: Path, text: str) -> None:
    """Write the file itself; if that fails half way, what stood there is put back."""
    before = path.read_bytes()
    try:
        _write(path, text)
    except OSError as error:
        error.filename = str(path)
        with suppress(OSError):  # it had room before
            path.write_bytes(before)
        raise


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def refusal(error: OSError) -> str | None:
    """What to tell a person of a disk that took no file; None where it is something else.

    Example:
        >>> refusal(OSError(errno.ENOSPC, "No space left on device", "models/churn.py"))
        'models/churn.py: No space left on device. To fix it: make room, and try again.'
        >>> refusal(OSError(errno.EACCES, "Permission denied", "models/churn.py"))
        'models/churn.py: Permission denied. To fix it: see that you may read and write it, and try again.'
        >>> refusal(OSError(errno.EISDIR, "Is a directory", ".page.tmp", None, "page"))
        'page: Is a directory. To fix it: name another path, and try again.'
    """
    if error.errno not in REFUSALS:
        return None
    other = "name another path" if error.errno in NO_PLACE else "see that you may read and write it"
    fix = "make room" if error.errno in FULL else other
    return f"{error.filename2 or error.filename or 'a file'}: {error.strerror}. To fix it: {fix}, and try again."
