"""What goes into a run's log and its ending: one clear line for an error, and nothing that a library quotes."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path

from prefect import get_run_logger
from prefect.context import FlowRunContext

from errors import ArtifactMissing, EvergreenError, ServerFailed, StepFailed
from evergreen_client.shown import gist, said

ENDED = "Finished in state Failed"
FAILED = re.compile(
    rf"Task run failed with exception|Encountered exception during|{ENDED}|Engine execution exited|failed: "
)
PLAIN = "evergreen"
LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine", PLAIN)
UNLOGGED: ContextVar[bool] = ContextVar("unlogged", default=False)
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


def by_prefect() -> bool:
    """Whether a flow runs here that Prefect began; else it is called as the plain function that it also is."""
    return FlowRunContext.get() is not None and not UNLOGGED.get()


def run_logger() -> Logger:
    """Where a run writes what it finds: Prefect's log of it, or the console."""
    return get_run_logger() if by_prefect() else logging.getLogger(PLAIN)


@contextmanager
def unlogged() -> Iterator[None]:
    """Let flows be plain functions, also within one that Prefect runs, and write nothing of them."""
    log, token = logging.getLogger(PLAIN), UNLOGGED.set(True)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
        UNLOGGED.reset(token)


def watch_logs() -> None:
    """Let the loggers of runs pass only what may be kept; once or often, it is the same."""
    for logger in LOGGERS:
        logging.getLogger(logger).addFilter(made_clean)


def made_clean(record: logging.LogRecord) -> bool:
    """Clean a record; of an error that nobody foresaw the places stay, but not the words that may hold a row."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            gist(arg) if isinstance(arg, BaseException) and _is_foreign(arg) else arg for arg in record.args
        )
    record.msg, record.args = said(record.getMessage()), None
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.exc_info = None
        if isinstance(error, StepFailed) or _is_foreign(error):
            record.exc_text = _places(error)
    return True


def tell_errors_once(*, on_worker: bool = False) -> None:
    """Leave it to whoever called a flow to say how it failed: Prefect's console would say it four times before that.

    Args:
        on_worker: nobody called it, and so the line about the flow's end is left on the console.
    """
    from prefect.logging.configuration import setup_logging
    from prefect.logging.handlers import PrefectConsoleHandler
    from prefect.settings import get_current_settings

    logging.getLogger(PLAIN).setLevel(get_current_settings().logging.level)
    setup_logging()  # else the first flow makes its handlers anew; they are the root's
    consoles = [one for one in logging.getLogger().handlers if isinstance(one, PrefectConsoleHandler)]
    for handler in (*consoles, *logging.getLogger("prefect").handlers):
        if isinstance(handler, logging.StreamHandler) and not any(isinstance(one, _Told) for one in handler.filters):
            handler.addFilter(_Told(on_worker=on_worker))
        if isinstance(handler, PrefectConsoleHandler):  # Rich would end the process at its next line, by SystemExit(1)
            streams = (1, 2) if on_worker else (2,)  # what a command comes to stands on its standard output
            handler.console.on_broken_pipe = partial(fall_silent, streams)  # type: ignore[method-assign]


def fall_silent(streams: Iterable[int]) -> None:
    """Print into nothing: whoever read these streams, a worker or `head`, has ended, and the run goes on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream)
    os.close(nowhere)


class _Told(logging.Filter):
    """Passes over the ways in which Prefect says that a run failed; of places in the code, the first are shown."""

    def __init__(self, *, on_worker: bool = False) -> None:
        super().__init__()
        self.places_shown, self.on_worker = False, on_worker

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        message = record.getMessage()
        if not record.name.startswith(LOGGERS) or not FAILED.match(message) or "Retry" in message:
            return True
        if self.on_worker and record.name == "prefect.flow_runs" and message.startswith(ENDED):
            return True
        shown = bool(record.exc_text) and not self.places_shown
        self.places_shown = self.places_shown or shown
        return shown


def _is_foreign(error: BaseException) -> bool:
    return not isinstance(error, EvergreenError)


def _places(error: BaseException | None) -> str:
    """A traceback with the lines of code, and the gist of each error that led to the last."""
    parts: list[str] = []
    while error is not None:
        parts.insert(0, "".join([*traceback.format_tb(error.__traceback__), gist(error)]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\n".join(parts)


@contextmanager
def foreseen(what: str, cache: Path) -> Iterator[None]:
    """Let no error of a library out: its words may quote a row, and Prefect's states and the registry keep them.

    Args:
        what: the step or run, for the message.
        cache: the folder whose files may go at any time.

    Raises:
        StepFailed: in place of any error that is not Evergreen's.
        ServerFailed: in place of one that says that Prefect's server gives no answer.
        ArtifactMissing: in place of one that says that a file of the cache is gone.
    """
    try:
        yield
    except EvergreenError:
        raise
    except FileNotFoundError as error:
        if str(cache) not in f"{error.filename} {error}":
            raise _failed(what, error) from error
        why = "somebody removed it while it was in use"
        fix = "run again: what was done is not done twice, and a training goes on from its last checkpoint"
        raise ArtifactMissing(f"a file in the cache, {cache}", why, fix) from error
    except BaseException as error:
        # Beside exceptions, Polars' panics and a `sys.exit()` in a model's code are faults. Who tells a run to stop is
        # let through: Prefect makes a TerminationSignal of SIGTERM, and Ctrl-C is a KeyboardInterrupt.
        if died := dead_server(error):
            raise died from error
        if isinstance(error, (Exception, SystemExit)) or type(error).__name__ == "PanicException":
            raise _failed(what, error) from error
        raise


def dead_server(error: BaseException) -> ServerFailed | None:
    """What to say of an error that means that Prefect's server gives no answer; None of any other."""
    from httpx import TransportError
    from prefect.settings import get_current_settings

    address = get_current_settings().api.url
    if not isinstance(error, TransportError) or address is None:
        return None
    with suppress(RuntimeError):  # an error that was made without a request
        if str(error.request.url).startswith(address):
            why = f"it gave no answer ({gist(error)}): it ended, or cannot be reached"
            fix = "start it (`evergreen up` does), and run again: what was done is not done twice"
            return ServerFailed(f"the Prefect server at {address}", why, fix)
    return None


def ending_of(error: BaseException) -> str:
    """The reason of a run that an exception ended."""
    return str(error) if isinstance(error, EvergreenError) else gist(error)


def _failed(what: str, error: BaseException) -> StepFailed:
    fix = "see the places in the log's traceback; if the fault is not in the model's own file, report it"
    return StepFailed(what, f"nobody foresaw that it ends with {gist(error)}", fix)
