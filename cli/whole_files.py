"""Files that a person keeps are written whole or not at all: a full disk takes nothing that was there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# What a disk says that is full, or may not be written.
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step: what stood there before stays until all of the new text is on the disk."""
    path = path.resolve()  # a link stays one
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            beside.chmod(path.stat().st_mode)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        error.filename = str(path)
        raise


def refusal(error: OSError) -> str | None:
    """What to tell a person of a disk that took no file; None where it is something else.

    Example:
        >>> refusal(OSError(errno.ENOSPC, "No space left on device", "models/churn.py"))
        'models/churn.py: No space left on device. To fix it: make room, or make it writable, and try again.'
    """
    if error.errno not in REFUSALS:
        return None
    return f"{error.filename or 'a file'}: {error.strerror}. To fix it: make room, or make it writable, and try again."
