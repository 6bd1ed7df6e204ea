"""How many runs this machine can do at once."""

from __future__ import annotations

import os
from pathlib import Path

GIB = 2**30
MEMORY_OF_A_RUN = 2 * GIB  # four runs of small models had 1.3 GiB each, at their widest
LIMIT_OF_A_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def runs_at_once(cores: int, memory: int) -> int:
    """As many as there are cores, if each has its memory; at least one.

    Example:
        >>> runs_at_once(8, 16 * GIB), runs_at_once(8, 6 * GIB), runs_at_once(2, GIB)
        (8, 3, 1)
    """
    return max(1, min(cores, memory // MEMORY_OF_A_RUN))


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # macOS has none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory(limit: Path = LIMIT_OF_A_CONTAINER) -> int:
    """The bytes of memory of this machine, or of the container that this process is in."""
    all_of_it = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = limit.read_text(encoding="utf-8").strip() if limit.is_file() else ""
    return min(all_of_it, int(allowed)) if allowed.isdigit() else all_of_it
