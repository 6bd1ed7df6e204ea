"""How an online consumer fares: a table on a terminal, lines in a log elsewhere, and curves in TensorBoard."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from learning.online_curves import curves
from tasks.logs import run_logger

if TYPE_CHECKING:
    from tasks.online import Consumer

SECONDS_BETWEEN_DRAWINGS = 2.0
SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_POINTS = 10.0
REASONS = 5  # of refused events that are shown, the most frequent first

Show = Callable[[], None]


@contextmanager
def shown(consumer: Consumer) -> Iterator[Show]:
    """Give a function that shows how the consumer fares, to be called as often as one likes."""
    with _in_words(consumer) as show, _in_curves(consumer) as draw:

        def shown_and_drawn() -> None:
            show()
            draw()

        yield shown_and_drawn


@contextmanager
def _in_curves(consumer: Consumer) -> Iterator[Show]:
    """A last point is drawn at the end, if there were events."""
    settings, begun, speed = consumer.run.context.settings, consumer.events, _Speed(consumer)
    with curves(settings.logs / consumer.run.model / "online") as draw:

        def point() -> None:
            newest = {f"newest/{name}": value for name, value in consumer.scores.recent().items()}
            draw(consumer.events, {"loss": consumer.scores.loss, **newest})

        def show() -> None:
            if speed.is_new(SECONDS_BETWEEN_POINTS) and speed.measured():
                point()

        yield show
        if consumer.events > begun:
            point()


@contextmanager
def _in_words(consumer: Consumer) -> Iterator[Show]:
    if sys.stderr.isatty():
        with _on_a_terminal(consumer) as show:
            yield show
    else:
        yield _in_the_log(consumer)


@contextmanager
def _on_a_terminal(consumer: Consumer) -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    speed = _Speed(consumer)
    with Live(console=Console(stderr=True), auto_refresh=False) as live:

        def show() -> None:
            if speed.is_new(SECONDS_BETWEEN_DRAWINGS):
                table = Table(box=None, show_header=False, pad_edge=False)
                for name, value in facts(consumer, speed.measured()).items():
                    table.add_row(Text(name, "bold"), Text(value))
                live.update(table, refresh=True)

        yield show


def _in_the_log(consumer: Consumer) -> Show:
    log, speed = run_logger(), _Speed(consumer)

    def show() -> None:
        if speed.is_new(SECONDS_BETWEEN_LINES):
            log.info("; ".join(f"{name}: {value}" for name, value in facts(consumer, speed.measured()).items()))

    return show


def facts(consumer: Consumer, per_second: float) -> dict[str, str]:
    """What there is to say of a consumer, in words; of events that were refused only why."""
    counts, scores, candidate = consumer.counts, consumer.scores, consumer.candidate
    recent = ", ".join(f"{name} {value:.4f}" for name, value in scores.recent().items())
    refused = {name.removeprefix("refused: "): n for name, n in counts.most_common() if name.startswith("refused: ")}
    reasons = ", ".join(f"{name} ({n:,})" for name, n in list(refused.items())[:REASONS])
    proof, behind = sum(consumer.remembered.proof_labels().values()), consumer.source.behind(consumer.position)
    return {
        "events": f"{consumer.events:,}, {per_second:,.0f} a second; behind by {behind:,}",
        "learned": f"{counts['learned']:,}, {counts['labelled late']:,} of them late; held out {counts['held out']:,}",
        "waiting": f"{consumer.remembered.waiting:,} for their label; expired {counts['expired']:,}",
        "refused": f"{sum(refused.values()):,}{': ' * bool(reasons)}{reasons}",
        "loss": f"{scores.loss:.4f} of {scores.rows:,} rows",
        "newest": recent or "nothing was scored yet",
        "champion": f"version {consumer.parent}, {consumer.learned:,} rows were learned since",
        "challenger": f"version {candidate.number}, {proof:,} rows came after it" if candidate else "none",
    }


class _Speed:
    """Events a second since it was asked before."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer, self._events, self._at = consumer, consumer.events, time.monotonic()

    def is_new(self, seconds: float) -> bool:
        """Whether it was asked so long ago."""
        return time.monotonic() - self._at > seconds

    def measured(self) -> float:
        """The speed."""
        events, now = self._consumer.events, time.monotonic()
        found = (events - self._events) / max(now - self._at, 1e-9)
        self._events, self._at = events, now
        return found
