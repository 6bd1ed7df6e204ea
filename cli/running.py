"""How a command runs a flow: by Prefect where it has a server, else as the plain function that a flow also is."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, cast

import typer

from cli.prefect_home import keep_prefect_here
from cli.printing import say, say_if_heard
from db.records import NEEDS_ATTENTION
from errors import ServerFailed
from settings import get_settings

if TYPE_CHECKING:
    from prefect import Flow, State

    from learning.spec import ModelSpec

SOMEBODY_SHOULD_LOOK = 3  # exit code


def prepare(model: str) -> ModelSpec:
    """Refuse a misspelled name before Prefect is imported, and let it keep its things beside the registry."""
    from learning.catalog import load_spec

    spec = load_spec(model, get_settings().model_folders)
    keep_prefect_here(get_settings())
    return spec


def run_to_its_end(flow: Flow[..., Any], model: str, **asked: Any) -> str:
    """Run a flow, print what became of it, and give it back; end with an exit code of its own for who should look."""
    from tasks.run import TO_BE_SEEN

    state = run_flow(flow, model, **asked)
    outcome, told = state.result(), str(state.message)
    say(outcome)
    if outcome in TO_BE_SEEN:
        say(f"evergreen: {told}", err=True)
        if outcome == NEEDS_ATTENTION and "Needs attention (" in told:
            where = (
                f"the warnings above are complete, and `evergreen partitions refused {model}` lists what was refused"
            )
            say(f"evergreen: {where}", err=True)
        raise typer.Exit(SOMEBODY_SHOULD_LOOK)
    return outcome


def run_flow(flow: Flow[..., Any], model: str, **asked: Any) -> State[str]:
    """Run a flow, and give back the state that it ends in.

    Without a server Prefect would start one for this run, which takes longer than many a retrain, and nobody sees it.
    """
    from prefect.settings import get_current_settings

    from tasks.logs import tell_errors_once

    tell_errors_once()
    if get_current_settings().api.url:
        signal.signal(signal.SIGTERM, exit_in_order)
        return cast("State[str]", flow(model, return_state=True, **asked))
    say_if_heard(
        "PREFECT_API_URL names no server: the flow runs in this process, and the registry records it", err=True
    )
    with told_to_stop():
        return cast("State[str]", flow.fn(model, **asked))


@contextmanager
def told_to_stop() -> Iterator[None]:
    """Let SIGTERM end a flow in order, as Prefect does: its run is interrupted, and the next one goes on."""
    from prefect.exceptions import TerminationSignal

    def interrupt(number: int, _: object) -> NoReturn:
        raise TerminationSignal(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except TerminationSignal as told:
        exit_in_order(told.signal)
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_in_order(number: int, _: object = None) -> NoReturn:
    """End the process as a signal asks for, once all that is open is closed."""
    sys.exit(128 + number)


@contextmanager
def reached_server() -> Iterator[None]:
    """Say that the Prefect server does not answer in a sentence, instead of 130 lines of HTTP."""
    try:
        yield
    except RuntimeError as error:
        _, found, address = str(error).partition("Failed to reach API at ")
        if not found:
            raise
        why = f"it gives no answer ({error.__cause__ or 'for no reason it knows'})"
        fix = "start it (`make up` does), or unset PREFECT_API_URL, here and with `prefect config unset`"
        raise ServerFailed(f"the Prefect server at {address.rstrip('.')}", why, fix) from error
    except Exception as error:
        if "tasks.logs" in sys.modules:  # a flow was called
            from tasks.logs import dead_server

            if died := dead_server(error):
                raise died from error
        raise
