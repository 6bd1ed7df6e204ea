"""The drift check in a process of its own: the same answer, errors that arrive, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from db.verdict_records import DriftColumn, NewDriftCheck, Window
from errors import NotEnoughData, ServerFailed
from learning.catalog import load_spec
from learning.data import PartitionFile
from learning.spec import DriftPolicy, Multiclass
from monitoring.decision import Pending
from monitoring.drift import Compared, DriftVerdict
from monitoring.references import Reference
from monitoring.samples import Layout, Rows
from monitoring.windows import compare_rows
from settings import Settings
from tasks import check_drift as step
from tasks.check_drift import Comparison, begin_drift_check, check_drift, elsewhere
from tasks.drift_windows import WindowFiles, compared_columns
from tasks.run import Context, Run
from tiny import TINY

COLUMNS = (Compared("speed", "number", "input"), Compared("city", "category", "input"))
HOW: dict[str, Any] = {"importance": {"speed": 0.5}, "reference_name": "champion"}
SCRIPT = """
    from pathlib import Path
    from tasks.check_drift import elsewhere
    from learning.spec import DriftPolicy
    from monitoring.drift import Compared
    from monitoring.samples import Layout, Rows
    from monitoring.windows import compare_rows

    rows = Rows((Path("{file}"),), Layout("at"))
    columns = (Compared("speed", "number", "input"), Compared("city", "category", "input"))
    how = {{"report": None, "importance": {{}}, "reference_name": "champion"}}
    comparison = elsewhere(compare_rows, rows, rows, columns, DriftPolicy(), **how)
    {then}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A partition of 200 rows."""
    return partition(tmp_path / "one.parquet", seed=1)


def partition(path: Path, seed: int, shift: float = 0.0) -> Path:
    """Rows of a speed, a city and a label."""
    draw = np.random.default_rng(seed)
    at = np.datetime64("2026-01-01", "us") + np.arange(200) * np.timedelta64(1, "h")
    rows = {
        "id": np.arange(200),
        "at": at,
        "speed": draw.normal(shift, 1.0, 200),
        "city": draw.choice(["A", "B"], 200),
        "y": draw.integers(0, 2, 200).astype(float),
    }
    pl.DataFrame(rows).with_columns(pl.col("at").dt.replace_time_zone("UTC")).write_parquet(path)
    return path


def window(path: Path) -> Rows:
    """All rows of a file, each a block."""
    return Rows((path,), Layout("at"))


@pytest.mark.slow
def test_another_process_finds_the_same(file: Path, tmp_path: Path) -> None:
    """Its verdict is the one that this process would have come to, and its report is there."""
    drifted, report = (
        window(partition(tmp_path / "two.parquet", seed=1, shift=3.0)),
        tmp_path / "reports" / "drift.html",
    )
    asked = elsewhere(compare_rows, window(file), drifted, COLUMNS, DriftPolicy(), report=report, **HOW)
    here = compare_rows(window(file), drifted, COLUMNS, DriftPolicy(), report=None, **HOW)
    verdict = asked.result()
    assert {column.column for column in verdict.columns if column.drifted} == {"speed"}
    assert repr(verdict) == repr(here)
    assert report.stat().st_size > 0


@pytest.mark.slow
def test_an_error_there_is_an_error_here(file: Path, tmp_path: Path) -> None:
    """What goes wrong in the other process is raised with its own type and words."""
    gone = window(tmp_path / "gone.parquet")
    with pytest.raises(FileNotFoundError, match=r"gone\.parquet"):
        elsewhere(compare_rows, window(file), gone, COLUMNS, DriftPolicy(), report=None, **HOW).result()


@pytest.mark.slow
def test_a_script_needs_no_main_guard_and_its_other_process_no_prefect(file: Path, tmp_path: Path) -> None:
    """It is not run again there, where only what compares is imported, and both end by themselves."""
    needless = "{name for name in __import__('sys').modules if name in ('prefect', 'sqlalchemy', 'tensorflow')}"
    then = "from loky import get_reusable_executor as executor; print('answer', comparison.result().drifted); "
    then += f"print(executor(reuse=True).submit(eval, {needless!r}).result())"
    script = tmp_path / "script.py"
    script.write_text(written(file, then))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "answer False\nset()\n", "")


@pytest.mark.slow
def test_nothing_is_left_of_a_killed_process(file: Path) -> None:
    """Whoever kills the flow's process with -9 need not look for the other one."""
    then = "import os, time; from loky import get_reusable_executor as get; comparison.result();"
    then += "print(get(max_workers=1).submit(os.getpid).result(), flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", written(file, then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        other = int(process.stdout.readline())
        assert alive(other)
        process.send_signal(signal.SIGKILL)
    give_up = time.monotonic() + 60
    while alive(other) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not alive(other)


def written(file: Path, then: str) -> str:
    """A script that has files compared, and then does something."""
    return textwrap.dedent(SCRIPT).format(file=file, then=then)


def alive(process: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()


class Remembering:
    """A registry that keeps the drift checks it is given, and knows nothing else."""

    def __init__(self) -> None:
        self.checks = list[NewDriftCheck]()

    def record_drift(self, check: NewDriftCheck) -> None:
        """Keep it."""
        self.checks.append(check)

    def version(self, _model: str, number: int) -> SimpleNamespace:
        """A version of that number."""
        return SimpleNamespace(number=number)


def done(value: DriftVerdict | Exception) -> Future[DriftVerdict]:
    """What the other process has answered."""
    future: Future[DriftVerdict] = Future()
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
    return future


def asked(answer: DriftVerdict | Exception, remark: str = "") -> Comparison:
    """A check that was begun, and whose first part is over."""
    comparison = Comparison(Reference("season", (), (), remark), (WINDOW, WINDOW))
    comparison.asked = done(answer)
    return comparison


START = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 2), eager=True, time_zone="UTC")
WEEK = Window(100, 7, START[0], START[1])
WINDOW = WindowFiles(Rows((), Layout("at")), (PartitionFile("digest", Path("nowhere")),))
SPEED = DriftColumn("speed", "missing share", 0.4, 0.1, drifted=True, broken=True, importance=0.5)
BROKEN = DriftVerdict(
    False, 0.25, "speed is broken", (SPEED,), True, ("40 % of 'speed' are missing",), "season", WEEK, WEEK
)
CALM = DriftVerdict(False, 0.0, "0 of 1 columns drifted", (replace(SPEED, column="champion/prediction"),))
TOO_FEW = NotEnoughData("a window of 3 rows", "a check needs 30", "wait")


@pytest.fixture
def run(home: Settings) -> Run:
    """A run of the tiny model."""
    registry: Any = Remembering()
    store: Any = None
    return Run(1, Context(TINY, registry, store, home))


def checked(
    run: Run, comparison: Comparison | None, monkeypatch: pytest.MonkeyPatch, outputs: DriftVerdict | Exception
) -> DriftVerdict | None:
    """What the step gives, where the other part comes to this."""
    monkeypatch.setattr(step, "compare_made", lambda *_: done(outputs))
    monkeypatch.setattr(step, "show_on_timeline", lambda _: None)
    return check_drift.fn(run, Pending(1, (), "key"), comparison)


def test_a_broken_column_is_recorded_and_something_to_look_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its windows, the reference's name, and a sentence for people."""
    verdict = checked(run, asked(BROKEN), monkeypatch, CALM)
    assert verdict is not None
    assert verdict.broken
    assert run.attention == ["40 % of 'speed' are missing"]
    registry: Any = run.context.registry
    (check,) = registry.checks
    assert (check.broken, check.reference_name, check.reference, check.current) == (True, "season", WEEK, WEEK)
    assert [column.column for column in check.columns] == ["speed", "champion/prediction"]


@pytest.mark.parametrize("part", ["columns", "outputs"])
def test_a_part_that_cannot_be_told_is_said(run: Run, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """The other one decides, and the reason says what is missing."""
    first, second = ((TOO_FEW, CALM), (BROKEN, TOO_FEW))[part == "outputs"]
    verdict = checked(run, asked(first, "nothing is known of last year"), monkeypatch, second)
    assert verdict is not None
    assert verdict.reason.startswith("nothing is known of last year; ")
    assert "not compared: a window of 3 rows" in verdict.reason


def test_where_nothing_can_be_compared_there_is_no_check(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither part, or too few rows from the beginning."""
    assert checked(run, asked(TOO_FEW), monkeypatch, TOO_FEW) is None
    assert checked(run, None, monkeypatch, CALM) is None
    registry: Any = run.context.registry
    assert registry.checks == []
    assert begin_drift_check.fn(run, Pending(1, (), "key")) is None


def test_a_process_that_was_killed_is_named_with_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system ends the largest process when memory runs out."""
    with pytest.raises(ServerFailed, match="whether memory ran out"):
        checked(run, asked(BrokenExecutor("gone")), monkeypatch, CALM)


@pytest.mark.parametrize("known", [None, {"speed": 0.5}])
def test_columns_are_weighed_first_where_nobody_did_it_after_the_promotion(
    run: Run, monkeypatch: pytest.MonkeyPatch, known: dict[str, float] | None
) -> None:
    """Meanwhile the other process imports; else it compares from the beginning."""
    asked_for = list[tuple[str, dict[str, Any]]]()

    def elsewhere_too(function: Any, *_: Any, **how: Any) -> Future[DriftVerdict]:
        asked_for.append((function.__name__, how))
        return done(CALM)

    enough: Any = SimpleNamespace(rows=100, kind="rows")
    monkeypatch.setattr(step, "elsewhere", elsewhere_too)
    monkeypatch.setattr(step, "chosen_reference", lambda *_: Reference("previous", (enough,)))
    monkeypatch.setattr(step, "window_files", lambda *_: WINDOW)
    monkeypatch.setattr(step, "known_weights", lambda *_: known)
    monkeypatch.setattr(step, "weights", lambda *_: {"speed": 0.7})
    comparison = begin_drift_check.fn(run, Pending(1, (enough,), "key"))
    assert [name for name, _ in asked_for] == [("len" if known is None else "compare_rows")]
    assert checked(run, comparison, monkeypatch, CALM) is not None
    name, how = asked_for[-1]
    assert (name, how["reference_name"]) == ("compare_rows", "previous")
    assert how["importance"] == (known or {"speed": 0.7})


def test_the_target_is_a_category_where_there_are_several_classes(home: Settings) -> None:
    """Classes have numbers and no order; tensors are no column that is compared."""
    digits = load_spec("digits", home.model_folders)
    assert isinstance(digits.objective, Multiclass)
    named = {column.name: (column.kind, column.role) for column in compared_columns(digits)}
    assert named["digit"] == ("category", "target")
    assert named["ink"] == ("number", "input")
    assert "pixels" not in named
    assert [column.kind for column in compared_columns(TINY)] == ["number", "category", "number"]
