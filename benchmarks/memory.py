"""Does a process grow that retrains again and again? `python -m benchmarks.memory`.

One process runs the whole retrain flow fifty times, each time on another half week of flights: arrivals, scores,
drift check, fine-tuning, gate and report.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.claims import Claims
from benchmarks.whole_retrain import land, prefect_server, run
from settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

MODULE = "benchmarks.memory"
HISTORY = range(1, 5)
RETRAINS = 50
EARLY = 5


def main() -> int:
    """Measure the claim; 1 if it does not hold."""
    with TemporaryDirectory() as folder, prefect_server(Path(folder)) as environment:
        sizes = [int(line) for line in run(environment, MODULE, "retrains").split()]
    claims = Claims()
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    claims.at_most(f"memory after {RETRAINS} retrains by after {EARLY}", sizes[-1] / sizes[EARLY - 1], 1.2)
    return claims.exit_code


def retrains() -> None:
    """Retrain again and again; print the size of this process after each time, in bytes."""
    from flows.bootstrap import bootstrap
    from flows.retrain import retrain

    landing = Path(get_settings().landing)
    land(landing, HISTORY)
    bootstrap("flights")
    for number, rows in zip(range(RETRAINS), half_weeks(), strict=False):
        file = landing / "flights" / f"part{number:02}.csv"
        rows.write_csv(file)
        os.utime(file, (1, 1))
        retrain("flights")
        gc.collect()
        print(resident_bytes(), flush=True)


def half_weeks() -> Iterator[pl.DataFrame]:
    """The flights after the history, half a week at a time."""
    from demo.flights import WEEKS, flights_week

    for week in WEEKS[HISTORY[-1] :]:
        frame = flights_week(week)
        yield frame.head(len(frame) // 2)
        yield frame.tail(len(frame) - len(frame) // 2)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["retrains"]:
            retrains()
        case _:
            sys.exit(main())
