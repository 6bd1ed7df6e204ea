"""How an online learner learns, as values."""

from __future__ import annotations

from dataclasses import dataclass

from errors import InvalidSpec


@dataclass(frozen=True)
class Online:
    """How a model learns from one event at a time.

    Args:
        optimizer: a Keras optimizer's name.
        rate: learning rate of the first steps, and of those behind a break.
        floor: rate that the steps come down to; a learner that goes on for ever must not stop learning.
        settle: steps after which the rate is down by the root of two.
        clip: longest gradient of a step, over all weights together.
        replay: rows that are kept in memory, and that later steps see again; 0 keeps none.
        batch: rows of a gradient step: the new one, and others drawn from those that are kept.
        block: events whose mean error is one point of the chart that finds breaks.
        limit: deviations above the usual mean at which a block is a break.
        window: events that the recent part of a score is about.
        slots: words of a category that are known at once, in a cold start.
        neighbours: of a cold start, the place among the nearest kept rows by which is measured what is near, and these
            rows answer too; 0 leaves them out.
        hedge: how much a lower recent loss lets an answer count more than others.
        seed: of weights, features, and of the rows that are drawn.
    """

    optimizer: str = "adam"
    rate: float = 0.01
    floor: float = 0.001
    settle: int = 500
    clip: float = 1.0
    replay: int = 1000
    batch: int = 32
    block: int = 50
    limit: float = 4.0
    window: int = 1000
    slots: int = 64
    neighbours: int = 10
    hedge: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no step could be made of; raises InvalidSpec."""
        least = {"rate": 0.0, "floor": 0.0, "clip": 0.0, "limit": 0.0}
        for name in [name for name, bound in least.items() if not getattr(self, name) > bound]:
            raise InvalidSpec(f"Online({name}={getattr(self, name)})", "it is above 0", "leave it out")
        if self.floor > self.rate:
            why = f"it is above the rate, {self.rate}"
            raise InvalidSpec(f"Online(floor={self.floor})", why, "choose a lower floor, or a higher rate")
        small = [name for name in ("settle", "batch", "block", "window", "slots") if getattr(self, name) < 1]
        if small or self.replay < 0:
            raise InvalidSpec(f"Online({(small or ['replay'])[0]})", "it is a number of things", "use 1 or more")
