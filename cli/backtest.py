"""`evergreen backtest`: how a model would have fared under other policies, from its own past."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.advised import Page, Price, Write, Yes, offer, tell
from cli.arguments import Model
from cli.capacity import cores, memory, runs_at_once
from cli.printing import Json, say
from errors import InvalidBacktest
from learning.startup import large_import

if TYPE_CHECKING:
    from concurrent.futures import Future

    from flows.backtest import Lived, Mapped
    from learning.overrides import Policy
    from tasks.history import Asked, History

SECONDS = 1.0  # between two looks at how far it has come
THREADS = "TF_NUM_INTEROP_THREADS"  # of TensorFlow's operations at once, on which no result depends

Policies = Annotated[
    list[str] | None,
    typer.Option("--policy", help='A named policy, or values of the spec, as "every=30d"; joined by "+"; repeatable.'),
]
Grid = Annotated[
    list[str] | None,
    typer.Option("--grid", help='Values to try, as "finetune.replay.share=0,1,3"; several make every combination.'),
]
Start = Annotated[
    str | None, typer.Option("--from", help="When version 1 is made; by default after the first third of the history.")
]
End = Annotated[str | None, typer.Option("--to", help="When to stop; by default when all has arrived.")]
Step = Annotated[str, typer.Option(help='Time between two runs, as "1w" or "1d".')]
Workers = Annotated[int | None, typer.Option(min=1, help="Policies at once; by default one a core, if memory allows.")]


def backtest(  # noqa: PLR0913, PLR0917 - options of a command
    model: Model,
    policy: Policies = None,
    grid: Grid = None,
    start: Start = None,
    end: End = None,
    step: Step = "1w",
    workers: Workers = None,
    price: Price = None,
    html: Page = None,
    write: Write = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Replay what arrived under several policies, each from the same version 1, and say which of them to have.

    What the spec has now ("present") and a retrain at each step that always promotes ("always") are there in any case.
    Stopped half-way, it goes on where it was.
    """
    asked = asked_for(policy or (), grid or (), (start, end), step)
    with large_import("prefect"):
        from flows.backtest import backtest as lived_through

    from evaluation.backtests import to_json
    from tasks.run import open_context

    with open_context(model) as context:
        found = lived_through(context, asked, side_by_side(workers or runs_at_once(cores(), memory())))
        path = context.settings.home / "backtests" / model / "newest.json"
    path.write_text(to_json(found), encoding="utf-8")
    say(f"all of it: {path}", err=True)
    tell(found, price, html, json=json)
    if write:
        offer(found, price, yes=yes)


def asked_for(policies: Sequence[str], grids: Sequence[str], period: tuple[str | None, str | None], step: str) -> Asked:
    """What the options ask for.

    Raises:
        InvalidBacktest: a time or a length of time is none, or a policy is not known.
    """
    from learning.overrides import grid, policy
    from learning.plans import LENGTH, span
    from tasks.history import Asked

    length = span(step) if LENGTH.fullmatch(step) else None
    if length is None:
        raise InvalidBacktest(f"--step {step}", "it is no length of time", 'write one as "1w", "1d" or "6h"')
    start, end = (moment(text) for text in period)
    return Asked((*map(policy, policies), *grid(grids)), start, end, length)


def moment(text: str | None) -> datetime | None:
    """A day, or a time in UTC if it names no other zone."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidBacktest(f"time {text!r}", "it is none", 'write one as "2024-03-01"') from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def side_by_side(workers: int) -> Mapped:
    """Policies at once, each in a process; how far they have come is shown on a terminal."""

    def mapped(history: History, policies: Sequence[Policy]) -> Iterable[Lived]:
        from loky import get_reusable_executor

        from flows.backtest import live_by_name
        from learning.catalog import load_spec
        from learning.overrides import in_rounds

        processes = min(workers, len(policies))
        # With threads for all cores in each, they would take processor time from each other.
        threads = os.environ.get(THREADS, str(max(1, cores() // processes)))
        executor = get_reusable_executor(max_workers=processes, timeout=60, env={THREADS: threads})
        spec = load_spec(history.model, history.settings.model_folders)
        begun = {one.name: executor.submit(live_by_name, history, one) for one in in_rounds(spec, policies)}
        waiting = [begun[one.name] for one in policies]
        try:
            watch(history, policies, waiting)
            return [one.result() for one in waiting]
        finally:
            executor.shutdown(kill_workers=not all(one.done() for one in waiting))

    return mapped


def watch(history: History, policies: Sequence[Policy], waiting: Sequence[Future[Lived]]) -> None:
    """Show how far it has come, and how long it takes yet, until all is done or one has failed."""
    from concurrent.futures import FIRST_EXCEPTION, wait

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from flows.backtest import folders, steps_done

    kept, last = folders(history, policies), history.came.last
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        shown = bar.add_task(f"{len(policies)} policies", total=len(policies) * last)
        while wait(waiting, timeout=SECONDS, return_when=FIRST_EXCEPTION).not_done:
            for one in waiting:
                if one.done():
                    one.result()  # what one of them met ends all: it is raised here
            bar.update(shown, completed=sum(min(steps_done(one), last) for one in kept))
