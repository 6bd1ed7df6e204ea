"""The demos: which model is kept fresh, and what arrives for it, one file after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.digits import MONTHS, write_month
from demo.flights import WEEKS, write_week
from evergreen_client.durable import written_whole


@dataclass(frozen=True)
class Demo:
    """A model and its arrivals, of which each has a number and is one file.

    Args:
        model: its name; the files land in the folder of this name.
        subject: what the rows are, for people.
        unit: what arrives at a time, as in "week".
        file: name of an arrival's file, with a place for its number.
        numbers: all arrivals there are, in order.
        history: the first ones, from which version 1 learns.
        at_once: how many more arrive in one demo, unless the user says otherwise.
        command: shows the demo.
        write_one: writes the file of one number; the same number always has the same rows.
    """

    model: str
    subject: str
    unit: str
    file: str
    numbers: range
    history: range
    at_once: int
    command: str
    write_one: Callable[[Path, int], None]

    def write(self, landing: Path, numbers: Iterable[int]) -> tuple[Path, ...]:
        """Write these arrivals' files to their folder below LANDING; a file that is there stays as it is.

        Raises:
            UnreadableFile: the data that the demo needs are not installed, or have no such number.
        """
        folder = landing / self.model
        folder.mkdir(parents=True, exist_ok=True)
        paths = {folder / self.file.format(number): number for number in numbers}
        for path, number in paths.items():
            if not path.exists():
                with written_whole(path) as temporary:
                    self.write_one(temporary, number)
        return tuple(paths)

    def landed(self, landing: Path) -> int:
        """How many arrivals' files have been written so far."""
        return sum((landing / self.model / self.file.format(number)).exists() for number in self.numbers)


FLIGHTS = Demo(
    model="flights",
    subject="flights of 2013",
    unit="week",
    file="2013-w{:02}.csv",
    numbers=WEEKS,
    history=range(1, 9),
    at_once=12,
    command="make demo",
    write_one=write_week,
)
DIGITS = Demo(
    model="digits",
    subject="handwritten digits whose look changes",
    unit="month",
    file="month{:02}.parquet",
    numbers=MONTHS,
    history=range(1, 4),
    at_once=9,
    command="evergreen demo run --model digits",
    write_one=write_month,
)
DEMOS = {demo.model: demo for demo in (FLIGHTS, DIGITS)}
