"""Processes that are forks of one that has imported everything and opened nothing: each starts in no time.

To import what takes rows in costs a new process two seconds, and some tests need dozens of processes.
"""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext

IMPORTED = ("arrivals.ingest", "db.registry", "learning.features", "psycopg", "sqlalchemy.dialects.postgresql")


def forked() -> ForkServerContext:
    """What `multiprocessing` is here; unlike forks of the tests' own process, its processes share nothing open."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context
