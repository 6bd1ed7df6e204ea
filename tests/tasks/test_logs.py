"""What a run's log and its ending say of an error: where it came from, and nothing that it quotes."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal

from errors import ArtifactMissing, EvergreenError, NoChampion, StepFailed
from tasks.logs import _Told, ending_of, foreseen, made_clean

CACHE = Path("/data/evergreen/cache")
ROW = "Anna Berg, 1984-02-03"


class PanicException(BaseException):
    """A panic as Polars raises it."""


def raised(error: BaseException) -> EvergreenError:
    """What comes out of a step that meets an error."""
    with pytest.raises(EvergreenError) as caught, foreseen("step 'x' of model 'm'", CACHE):
        raise error
    return caught.value


def logged(error: BaseException) -> str:
    """What is logged of an error, with all that belongs to it."""
    record = logging.LogRecord(
        "x", logging.ERROR, "x.py", 1, "failed: %r", (error,), (type(error), error, error.__traceback__)
    )
    assert made_clean(record)
    return logging.Formatter().format(record)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"could not convert string to float: '{ROW}'"),
        KeyError(ROW),
        RuntimeError(f'conversion failed in 900,000 values: ["{ROW}"' + f', "{ROW}"' * 30_000),
        PanicException(f'called `unwrap()` on "{ROW}"'),
    ],
)
def test_no_row_leaves_a_step(error: BaseException) -> None:
    """Not as the state's message, not as the run's reason, and not in the log; where it happened, the log tells."""
    failed = raised(error)
    log = logged(failed)
    for told in (str(failed), repr(failed), ending_of(failed), ending_of(error), log, logged(error)):
        assert "Anna" not in told
    assert isinstance(failed, StepFailed)
    assert len(log) < 10_000
    assert "in raised" in log
    assert type(error).__name__ in log


def test_an_error_of_ours_is_one_line() -> None:
    """It says all there is to say; what led to it may quote a row."""
    error = NoChampion("a", "b", "c")
    error.__cause__ = ValueError(ROW)
    assert logged(error) == "failed: NoChampion('a', 'b', 'c')"
    assert raised(error) is error


def test_who_interrupts_a_run_is_let_through() -> None:
    """Ctrl-C and a polite kill are no errors."""
    for error in (KeyboardInterrupt(), TerminationSignal(signal.SIGTERM)):
        with pytest.raises(type(error)), foreseen("x", CACHE):
            raise error
    assert ending_of(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_a_file_that_went_from_the_cache_is_one_sentence() -> None:
    """Whoever empties the cache during a run loses no work."""
    for error in (
        FileNotFoundError(2, "no", str(CACHE / "a.npy")),
        FileNotFoundError(f"no such file: {CACHE}/b.parquet"),
    ):
        assert "run again" in str(raised(error))
        assert isinstance(raised(error), ArtifactMissing)
    assert isinstance(raised(FileNotFoundError(2, "no", "/elsewhere")), StepFailed)


def test_secrets_and_escape_sequences_are_cleaned_out_of_any_line() -> None:
    """Whoever logs need not think of it."""
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "%s\x1b[31m", ("ftp://me:s/cret@host/x",), None)
    assert made_clean(record)
    assert record.getMessage() == r"ftp://me:***@host/x\x1b[31m"


def test_a_failure_is_told_once() -> None:
    """Whoever called the flow says how it failed; the console shows all else, and the places in the code once."""
    told = _Told()

    def shows(message: str, logger: str = "prefect.flow_runs", places: str = "") -> bool:
        record = logging.LogRecord(logger, logging.ERROR, "x.py", 1, message, None, None)
        record.exc_text = places
        return told.filter(record)

    assert not shows("Task run failed with exception: NoChampion('model', 'none', '')", "prefect.task_runs")
    assert not shows("Encountered exception during execution: NoChampion('model', 'none', '')")
    assert not shows("Finished in state Failed('Flow run encountered an exception')")
    assert shows("Task run failed with exception: TimeoutError() - Retry 1/2 will start immediately")
    assert shows("2 rows were refused")
    assert shows("Encountered exception during execution: StepFailed()", places="File models/shop.py, line 3")
    assert not shows("Encountered exception during execution: StepFailed()", places="File models/shop.py, line 3")


OUTLIVES = """
import logging, os, sys
from tasks.logs import tell_errors_once
tell_errors_once(on_worker=True)
log, kept = logging.getLogger("prefect.engine"), os.dup(2)
log.setLevel(logging.INFO)
print("begun", flush=True)
sys.stdin.readline()
log.info("who reads that?")
print("or that?", flush=True)
os.dup2(kept, 2)  # as the import of TensorFlow does in its end
log.info("or that?")
sys.exit(7)
"""


def test_a_run_goes_on_when_nobody_reads_what_it_prints_any_more() -> None:
    """Its worker was killed, or the server, for whose sake the worker is ended: the run is a process of its own."""
    pipe = subprocess.PIPE
    run = subprocess.Popen([sys.executable, "-c", OUTLIVES], stdin=pipe, stdout=pipe, stderr=pipe)
    assert run.stdin is not None
    assert run.stdout is not None
    assert run.stderr is not None
    assert run.stdout.readline() == b"begun\n"
    run.stdout.close()
    run.stderr.close()
    run.stdin.close()
    assert run.wait() == 7
