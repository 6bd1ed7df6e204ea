"""Several real processes doing the same thing at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier
from typing import Any

from forked import forked

SIZE = 8


class Crowd:
    """Eight processes that stay, since starting them costs more than what they do."""

    def __init__(self, pool: Any, barrier: Callable[[int], Barrier]) -> None:
        self._pool, self._barrier = pool, barrier

    def at_once(self, work: Callable[..., Any], *arguments: object, processes: int = SIZE) -> list[Any]:
        """Call `work(place, *arguments)` in each process at the same moment; returns the results in order.

        Raises:
            Exception: whatever the first process that failed raised.
        """
        barrier = self._barrier(processes)
        jobs = [
            self._pool.apply_async(_after_all_are_there, (barrier, work, place, *arguments))
            for place in range(processes)
        ]
        return [job.get(timeout=120) for job in jobs]


@contextmanager
def gathered_crowd() -> Iterator[Crowd]:
    """Start the processes."""
    context = forked()
    with context.Manager() as manager, context.Pool(SIZE) as pool:
        yield Crowd(pool, manager.Barrier)
        pool.close()
        pool.join()


def _after_all_are_there(barrier: Barrier, work: Callable[..., Any], *arguments: object) -> Any:
    barrier.wait(timeout=60)
    return work(*arguments)
