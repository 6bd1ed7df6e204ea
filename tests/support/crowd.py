"""Several real processes doing the same thing at the same moment."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any


def at_once(processes: int, work: Callable[..., Any], *arguments: object) -> list[Any]:
    """Call `work(place, *arguments)` in spawned processes that start together; returns the results in order.

    Raises:
        Exception: whatever the first process that failed raised.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier = manager.Barrier(processes)
        with context.Pool(processes) as pool:
            jobs = [
                pool.apply_async(_after_all_are_there, (barrier, work, place, *arguments)) for place in range(processes)
            ]
            return [job.get(timeout=120) for job in jobs]


def _after_all_are_there(barrier: Barrier, work: Callable[..., Any], *arguments: object) -> Any:
    barrier.wait(timeout=60)
    return work(*arguments)
