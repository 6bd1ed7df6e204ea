"""What a landed file has done, from the exception that reading it raised: nothing of it may stop the others."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from arrivals.listing import HINT, ListedFile, still_same, vanished
from db.engine import DATABASE_ERRORS
from errors import ArrivalError, ArtifactError, FileNotReady, RegistryError

NO_FILES = (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, OSError)
OURS: tuple[type[BaseException], ...] = (*NO_FILES, *DATABASE_ERRORS, RegistryError, ArtifactError)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # our disk, our limits
POLARS_SAYS = re.compile(r"os error (\d+)")
NAMED = 3


class Fault(NamedTuple):
    """Why a file was not taken.

    Args:
        why: a sentence.
        recorded: it is refused, and not read again unless it changes; else the next run looks again.
        odd: a person should look at it.
    """

    why: str
    recorded: bool = True
    odd: bool = True


def fault_of(file: ListedFile, error: BaseException) -> Fault | None:
    """What is wrong with a file; None if the fault is none of the file's, but of our disk, database or limits."""
    if is_ours(error):
        return None
    if not file.refusal and vanished(file):
        return Fault("it was deleted before all of it was read")
    if not file.refusal and not still_same(file):
        return Fault("it changed while it was read; the next run looks again", recorded=False, odd=False)
    if isinstance(error, FileNotReady):
        cause = error.__cause__
        lasting = not file.remote and isinstance(cause, PermissionError | IsADirectoryError)
        fix = "let this user read it" if lasting else "the next run looks again"
        return Fault(f"{error.why}; {fix}", recorded=lasting, odd=cause is not None)
    if isinstance(error, ArrivalError):
        return Fault(f"{error.why}. To fix it: {error.fix}")
    return Fault(f"reading it failed ({type(error).__name__}). To fix it: {HINT}")


def is_ours(error: BaseException) -> bool:
    """Whether an error says nothing of the file at hand: another file would meet it too."""
    return isinstance(error, OURS) or any(_is_full(cause) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_full(error: BaseException) -> bool:
    """Whether a disk is full or a limit reached; Polars says so in words."""
    if isinstance(error, OSError) and error.errno:
        return error.errno in FULL
    return any(int(number) in FULL for number in POLARS_SAYS.findall(str(error)))


def first_few(faults: Sequence[str], model: str) -> list[str]:
    """The first few of many sentences, and how many more there are."""
    more = len(faults) - NAMED
    rest = f"{more:,} more files were refused or could not be read: see `evergreen partitions refused {model}`"
    return [*faults[:NAMED], rest] if more > 0 else list(faults)
