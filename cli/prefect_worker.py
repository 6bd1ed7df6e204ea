"""Prefect's worker, which looks for garbage once a minute: `python -m cli.prefect_worker worker start --pool local`.

Python looks through its oldest objects only once a quarter as many came since. A worker has 130,000 from its start, and
what a run leaves behind refers to itself in circles: so its memory would grow for hundreds of runs.
"""

from __future__ import annotations

import gc
import time
from threading import Thread

MODULE = "cli.prefect_worker"  # in the command of the worker's process
SECONDS = 60.0


def main() -> None:
    """Do what the words of the command say, as `prefect` does."""
    Thread(target=collect_for_ever, daemon=True, name="garbage").start()

    from prefect.cli import app

    app()


def collect_for_ever() -> None:
    """Look for garbage once a minute, which takes 60 ms."""
    while True:
        time.sleep(SECONDS)
        gc.collect()


if __name__ == "__main__":
    main()
