"""A file that appears whole or not at all, whatever ends the process or the machine meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TEMPORARY = ".tmp"


@contextmanager
def written_whole(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a temporary name to write to; in the end the file has its own name, and an error leaves nothing behind.

    Args:
        path: the file; its folder exists. A file of this name is replaced.
        sync: wait until file and name are on the disk. Without it a power cut, but no crash, can leave a torn file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
        >>> with written_whole(path) as temporary:
        ...     _ = temporary.write_text("all of it")
        >>> path.read_text(), len(list(path.parent.iterdir()))
        ('all of it', 1)
    """
    # Keras goes by the suffix; by the stem one sees later whose file a killed process left unfinished.
    temporary = path.with_name(f".{path.stem}.{uuid4().hex}{TEMPORARY}{path.suffix}")
    try:
        yield temporary
        if sync:
            flush(temporary)
        temporary.replace(path)
        if sync:
            flush(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_whatever(path: Path) -> None:
    """Remove what lies at a path, a whole folder too; nothing need be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
