"""Does a learner's error break with what it was? Means of blocks of events on a chart, inside of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learning.online_features import kept_variable

if TYPE_CHECKING:
    import tensorflow as tf

    from learning.online_plan import Online

FADE = 0.1  # share of the newest block in the usual mean, once there are ten: a learner gets better all the time
PARTS = ("total", "events", "blocks", "mean", "variance", "breaks", "seen", "broken_at")
ENOUGH = 5  # blocks before which nothing is unusual


class Chart:
    """The usual mean error of a block and its spread, and when a block last lay far above.

    Args:
        plan: says how many events a block has, and what is far.
    """

    def __init__(self, plan: Online) -> None:
        self.plan = plan
        self.state = kept_variable(np.zeros(len(PARTS)), "chart")

    @property
    def variables(self) -> list[Any]:
        """What one event hands on to the next."""
        return [self.state]

    @property
    def breaks(self) -> int:
        """How many there were."""
        return int(self.state.numpy()[PARTS.index("breaks")])

    @property
    def broken_at(self) -> int:
        """The event that ended the block of the last break; 0 if there was none."""
        return int(self.state.numpy()[PARTS.index("broken_at")])

    def add(self, error: tf.Tensor) -> tf.Tensor:
        """Take one event's error; whether its block ends here and is a break. The chart then begins anew."""
        import tensorflow as tf

        now = dict(zip(PARTS, tf.unstack(self.state.value), strict=True))
        total, events, seen = now["total"] + tf.cast(error, "float64"), now["events"] + 1, now["seen"] + 1
        full = events >= self.plan.block
        mean = total / self.plan.block
        # A share of errors varies at least as a share does, however calm the last few blocks were.
        least = tf.maximum(now["mean"] * (1 - now["mean"]), 0.0) / self.plan.block
        spread = tf.sqrt(tf.maximum(now["variance"], least) + 1e-12)
        broken = full & (now["blocks"] >= ENOUGH) & (mean > now["mean"] + self.plan.limit * spread)
        share = tf.maximum(1 / (now["blocks"] + 1), FADE)
        off, zero = mean - now["mean"], tf.zeros((), "float64")
        new = {
            "total": tf.where(full, zero, total),
            "events": tf.where(full, zero, events),
            "blocks": tf.where(broken, zero, tf.where(full, now["blocks"] + 1, now["blocks"])),
            "mean": tf.where(full, now["mean"] + share * off, now["mean"]),
            "variance": tf.where(full, (1 - share) * (now["variance"] + share * off**2), now["variance"]),
            "breaks": now["breaks"] + tf.cast(broken, "float64"),
            "seen": seen,
            "broken_at": tf.where(broken, seen, now["broken_at"]),
        }
        self.state.assign(tf.stack([new[name] for name in PARTS]))
        return broken
