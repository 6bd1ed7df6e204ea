"""Whether the gate tells the truth about tomorrow: whole streams lived through, under default policies.

    python -m benchmarks.gate [--stream NAME ...] [--always]

Each stream is a backtest: `evergreen backtest` goes through it by the flows themselves. *Live* is what
`benchmarks.living` says, from the versions' own predictions; *never* is the loss of version 1 on the same rows,
*always* that of the policy of this name, under which every challenger takes the place. *Announced* and *came* are those
of the registry's book of promises, and the interval *held* if what came lies in it. A promotion *harmed* if it is
shown, with rows of one day as one observation, that the next arrival was worse off than under the version that was
replaced. Where the past comes back, the stream is lived through once more with replay that draws from all of the past
alike.

Made streams need `river`, which is in the lock of the development dependencies.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.claims import Claims
from benchmarks.living import Arrived, Lived, gone_by, lived_through, mean_loss
from benchmarks.streams import KNOWN, Stream, named
from db.verdict_records import PromiseRecord
from learning.overrides import ALWAYS, PRESENT

CONFIDENCE = 0.9
FROM_ALL = "finetune.replay.recent=0"
LIVE = {"flights": 0.490, "sea": 0.366}
SINCE_THE_TURN = {"ewr-inverted": 0.565, "all-inverted": 0.54, "agrawal": 1.25}
HEADER = (
    "stream | arrivals | promoted | rolled back | live | since the turn | never | since | always | since "
    "| announced | came | held | harmed | CPU s"
)


@dataclass(frozen=True)
class Told:
    """A stream that was lived through, and what became of its promotions.

    Args:
        stream: what arrived.
        arrived: the losses.
        recorded: the live loss as the registry has it.
        promotions: how many there were after the first version's.
        rollbacks: how many of them were taken back.
        book: promises of which something came.
        seconds: processor seconds of all runs.
        always: what arrived, had every challenger been promoted; empty if nobody asked.
    """

    stream: Stream
    arrived: Sequence[Arrived]
    recorded: float
    promotions: int
    rollbacks: int
    book: tuple[PromiseRecord, ...]
    seconds: float
    always: Sequence[Arrived] = ()

    @property
    def harmed(self) -> list[bool]:
        """For each promotion that an arrival followed, whether it is shown to have harmed."""
        return [harmed(arrival) for arrival in self.arrived if arrival.before is not None]

    @property
    def announced(self) -> float:
        """Mean of what was announced."""
        return mean([promise.announced for promise in self.book])

    @property
    def came(self) -> float:
        """Mean of what came."""
        return mean([promise.came for promise in self.book])

    @property
    def held(self) -> float:
        """Share of the promises whose interval holds what came."""
        return mean([promise.held for promise in self.book])


def main() -> int:
    """Print every stream's figures, then the claims; 1 if one does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stream", nargs="*", choices=KNOWN, default=list(KNOWN))
    parser.add_argument("--always", action="store_true", help="live through each once more, promoting every challenger")
    options = parser.parse_args()
    chosen = [named(name) for name in options.stream]
    for one in chosen:
        one.rows(one.last)  # what is not there is said now, and not after hours
    print(HEADER, flush=True)
    print(" | ".join(["---"] * (HEADER.count("|") + 1)), flush=True)
    claims, told = Claims(), [live(one, always=options.always) for one in chosen]
    print("\nclaim | measured | goal | holds\n--- | --- | --- | ---")
    for one, other in told:
        promise(one, other, claims)
    return claims.exit_code


def live(stream: Stream, *, always: bool) -> tuple[Told, Told | None]:
    """Live through a stream, where the past comes back in two ways, and print a line of figures of each."""
    with gone_by(stream) as history:
        unseen: tuple[Arrived, ...] = ()
        if always:
            with lived_through(stream, history, ALWAYS) as lived:
                unseen = tuple(lived.arrived())
        found = []
        for under in (PRESENT, FROM_ALL) if stream.comes_back else (PRESENT,):
            with lived_through(stream, history, under) as lived:
                found.append(told := told_of(lived, unseen if under == PRESENT else ()))
            name = stream.name if under == PRESENT else f"{stream.name}, replay from all"
            print(" | ".join([name, *line(told)]), flush=True)
    return found[0], found[1] if stream.comes_back else None


def told_of(lived: Lived, always: Sequence[Arrived]) -> Told:
    """What became of the promotions: how many, how many were taken back, and the book."""
    registry, model = lived.context.registry, lived.stream.spec.name
    kinds = [change.kind for change in registry.promotions(model)]
    book = tuple(one for one in registry.promises(model) if one.announced is not None and one.came is not None)
    return Told(
        lived.stream,
        tuple(lived.arrived()),
        lived.result.loss,
        kinds.count("promote"),
        kinds.count("rollback"),
        book,
        lived.seconds,
        always,
    )


def harmed(arrival: Arrived) -> bool:
    """Whether the version in production is shown to be worse than the one it replaced, days being observations.

    The standard error is that of Liang and Zeger (1986), and Student's quantile has a degree of freedom less than days.
    """
    from scipy.special import stdtrit

    difference = arrival.live - arrival.before
    _, day = np.unique(arrival.day, return_inverse=True)
    sums = np.bincount(day, weights=difference - difference.mean())
    days = len(sums)
    error = np.sqrt((sums**2).sum() * days / (days - 1)) / len(difference)
    return bool(difference.mean() > stdtrit(days - 1, 0.5 + CONFIDENCE / 2) * error)


def line(told: Told) -> list[str]:
    """A stream's figures, in the order of the header, without its name."""
    turned = told.stream.turned
    kinds = (told.arrived, "live"), (told.arrived, "first"), (told.always, "live")
    figures = [
        f"{loss_of(arrived, which, since):.4f}" if arrived and since else ""
        for arrived, which in kinds
        for since in (1, turned)
    ]
    changes = [f"{told.announced:+.2%}", f"{told.came:+.2%}", f"{told.held:.0%}", f"{mean(told.harmed):.1%}"]
    counts = len(told.arrived), told.promotions, told.rollbacks
    return [*map(str, counts), *figures, *changes, f"{told.seconds:.0f}"]


def loss_of(arrived: Sequence[Arrived], which: str = "live", since: int | None = None) -> float:
    """The mean of a loss over all rows, from an arrival on."""
    return mean_loss([getattr(one, which) for one in arrived if one.number >= (since or 0)])


def promise(told: Told, replayed_all: Told | None, claims: Claims) -> None:
    """What must hold of a stream."""
    name, loss = told.stream.name, loss_of(told.arrived)
    claims.at_most(f"{name}: live loss of the versions, and as the registry has it, apart", gap(told, loss), 1e-4, "%")
    if name in LIVE:
        claims.at_most(f"{name}: live loss", loss, LIVE[name], "")
    if name in SINCE_THE_TURN:
        since = loss_of(told.arrived, since=told.stream.turned)
        claims.at_most(f"{name}: since the turn", since, SINCE_THE_TURN[name], "")
    if replayed_all:
        other = loss_of(replayed_all.arrived)
        claims.at_most(f"{name}: live loss by that of replay from all", loss / other, 1.02)
    if name == "flights":
        claims.at_most(f"{name}: announced and came, apart", 100 * abs(told.announced - told.came), 1, "points")
        claims.at_least(f"{name}: intervals that held what came", 100 * told.held, 80, "%")
        claims.at_most(f"{name}: promotions that harmed", 100 * mean(told.harmed), 5, "%")


def gap(told: Told, loss: float) -> float:
    """By how many percent the two differ."""
    return 100 * abs(told.recorded / loss - 1)


def mean(values: Sequence[float | bool | None]) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(np.asarray(values, "float64"))) if values else float("nan")


if __name__ == "__main__":
    sys.exit(main())
