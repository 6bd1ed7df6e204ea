"""Whether the gate tells the truth about tomorrow: whole streams lived through, under default policies.

    python -m benchmarks.gate [--stream NAME ...] [--always]

*Live* is what `benchmarks.living` says; *never* is the loss of version 1 on the same rows, *always* that of a line in
which every challenger took the place unseen. *Announced* and *came* are those of the registry's book of promises, and
the interval *held* if what came lies in it. A promotion *harmed* if it is shown, with rows of one day as one
observation, that the next arrival was worse off than under the version that was replaced. Where the past comes back,
the stream is lived through a second time with replay that draws from all of the past alike.

Made streams need `river`, which is in the lock of the development dependencies.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.claims import Claims
from benchmarks.living import Arrived, Floats, Lived, always_promoting, live_through, opened
from benchmarks.streams import Stream, streams

if TYPE_CHECKING:
    from db.verdict_records import PromiseRecord
    from tasks.run import Context

CONFIDENCE = 0.9
LIVE = {"flights": 0.490, "sea": 0.366}
SINCE_THE_TURN = {"ewr-inverted": 0.565, "all-inverted": 0.54, "agrawal": 1.25}
HEADER = (
    "stream | arrivals | promoted | rolled back | live | since the turn | never | since | always | since "
    "| announced | came | held | harmed | seconds"
)


@dataclass(frozen=True)
class Told:
    """A stream that was lived through, and what became of its promotions.

    Args:
        lived: the losses.
        promotions: how many there were after the first version's.
        rollbacks: how many of them were taken back.
        book: promises of which something came.
        harmed: for each promotion that an arrival followed, whether it is shown to have harmed.
        always: losses had every challenger been promoted, an array an arrival; none if nobody asked.
    """

    lived: Lived
    promotions: int
    rollbacks: int
    book: tuple[PromiseRecord, ...]
    harmed: tuple[bool, ...]
    always: Sequence[Floats]

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
    parser.add_argument("--stream", nargs="*", choices=streams(), default=list(streams()))
    parser.add_argument("--always", action="store_true", help="live through each once more, promoting every challenger")
    options = parser.parse_args()
    print(HEADER, flush=True)
    print(" | ".join(["---"] * (HEADER.count("|") + 1)), flush=True)
    claims, told = Claims(), {}
    for name in options.stream:
        stream = streams()[name]
        told[name] = (
            live(stream, always=options.always),
            live(from_all(stream), always=False) if stream.comes_back else None,
        )
    print("\nclaim | measured | goal | holds\n--- | --- | --- | ---")
    for one, other in told.values():
        promise(one, other, claims)
    return claims.exit_code


def from_all(stream: Stream) -> Stream:
    """The same, with replay that draws from all of the past alike."""
    plan = replace(stream.spec.finetune, replay=replace(stream.spec.finetune.replay, recent=0.0))
    return replace(stream, name=f"{stream.name}, replay from all", spec=replace(stream.spec, finetune=plan))


def live(stream: Stream, *, always: bool) -> Told:
    """Live through a stream, and print a line of figures."""
    with opened(stream.spec) as context:
        lived = live_through(stream, context)
        told = Told(lived, *promoted(lived, context), always_promoting(lived, context) if always else ())
    print(" | ".join(line(told)), flush=True)
    return told


def promoted(lived: Lived, context: Context) -> tuple[int, int, tuple[PromiseRecord, ...], tuple[bool, ...]]:
    """What became of the promotions: how many, how many were taken back, the book, and which of them harmed."""
    registry, model = context.registry, context.spec.name
    kinds = [change.kind for change in registry.promotions(model)]
    book = tuple(one for one in registry.promises(model) if one.announced is not None and one.came is not None)
    harm = tuple(harmed(arrival) for arrival in lived.arrived if arrival.before is not None)
    return kinds.count("promote"), kinds.count("rollback"), book, harm


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
    """A stream's figures, in the order of the header."""
    lived = told.lived
    turned = lived.stream.turned
    losses = [arrival.live for arrival in lived.arrived], [arrival.first for arrival in lived.arrived], told.always
    figures = [f"{lived.mean(loss, since):.4f}" if loss and since else "" for loss in losses for since in (1, turned)]
    changes = [f"{told.announced:+.2%}", f"{told.came:+.2%}", f"{told.held:.0%}", f"{mean(told.harmed):.1%}"]
    counts = len(lived.arrived), told.promotions, told.rollbacks
    return [lived.stream.name, *map(str, counts), *figures, *changes, f"{lived.seconds:.0f}"]


def promise(told: Told, replayed_all: Told | None, claims: Claims) -> None:
    """What must hold of a stream."""
    lived = told.lived
    name, losses = lived.stream.name, [arrival.live for arrival in lived.arrived]
    if name in LIVE:
        claims.at_most(f"{name}: live loss", lived.mean(losses), LIVE[name], "")
    if name in SINCE_THE_TURN:
        claims.at_most(f"{name}: since the turn", lived.mean(losses, lived.stream.turned), SINCE_THE_TURN[name], "")
    if replayed_all:
        other = lived.mean([arrival.live for arrival in replayed_all.lived.arrived])
        claims.at_most(f"{name}: live loss by that of replay from all", lived.mean(losses) / other, 1.02)
    if name == "flights":
        claims.at_most(f"{name}: announced and came, apart", 100 * abs(told.announced - told.came), 1, "points")
        claims.at_least(f"{name}: intervals that held what came", 100 * told.held, 80, "%")
        claims.at_most(f"{name}: promotions that harmed", 100 * mean(told.harmed), 5, "%")


def mean(values: Sequence[float | bool | None]) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(np.asarray(values, "float64"))) if values else float("nan")


if __name__ == "__main__":
    sys.exit(main())
