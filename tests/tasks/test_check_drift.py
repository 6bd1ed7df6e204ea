"""The drift check in a process of its own: the same answer, errors that arrive, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from errors import ServerFailed
from learning.catalog import load_spec
from learning.spec import DriftPolicy, Schema
from monitoring.decision import Pending
from monitoring.drift import compare_files
from settings import Settings
from tasks.check_drift import Comparison, check_drift, compare_elsewhere
from tasks.run import Context, Run

SCHEMA = Schema(time="at", key=("id",), target="y", numeric=("speed",), categorical=("city",))
SCRIPT = """
    from pathlib import Path
    from tasks.check_drift import compare_elsewhere
    from learning.spec import DriftPolicy, Schema

    schema = Schema(time="at", key=("id",), target="y", numeric=("speed",), categorical=("city",))
    files = [Path("{file}")]
    comparison = compare_elsewhere(files, files, schema, DriftPolicy(), Path("{report}"))
    {then}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A partition of 200 rows."""
    return partition(tmp_path / "one.parquet", seed=1)


def partition(path: Path, seed: int, shift: float = 0.0) -> Path:
    """Rows of a speed, a city and a label."""
    draw = np.random.default_rng(seed)
    rows = {
        "id": np.arange(200),
        "at": np.arange(200),
        "speed": draw.normal(shift, 1.0, 200),
        "city": draw.choice(["A", "B"], 200),
        "y": draw.integers(0, 2, 200).astype(float),
    }
    pl.DataFrame(rows).write_parquet(path)
    return path


def test_another_process_finds_the_same(file: Path, tmp_path: Path) -> None:
    """Its verdict is the one that this process would have come to, and its report is there."""
    drifted, report = partition(tmp_path / "two.parquet", seed=1, shift=3.0), tmp_path / "reports" / "drift.html"
    verdict = compare_elsewhere([file], [drifted], SCHEMA, DriftPolicy(), report).result()
    assert [column.column for column in verdict.columns if column.drifted] == ["speed"]
    assert verdict == compare_files([file], [drifted], SCHEMA, DriftPolicy())
    assert report.stat().st_size > 0


def test_that_process_imports_no_prefect(file: Path, tmp_path: Path) -> None:
    """It starts to compare at once: neither Prefect nor the registry is what it needs."""
    needless = "{name for name in __import__('sys').modules if name in ('prefect', 'sqlalchemy')}"
    then = "from loky import get_reusable_executor as executor; comparison.result(); "
    then += f"print(executor(reuse=True).submit(eval, {needless!r}).result())"
    script = written(file, tmp_path, then)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_error_there_is_an_error_here(file: Path, tmp_path: Path) -> None:
    """What goes wrong in the other process is raised with its own type and words."""
    gone = tmp_path / "gone.parquet"
    with pytest.raises(FileNotFoundError, match=r"gone\.parquet"):
        compare_elsewhere([file], [gone], SCHEMA, DriftPolicy(), tmp_path / "drift.html").result()


def test_a_script_needs_no_main_guard(file: Path, tmp_path: Path) -> None:
    """The calling script is not run again in the other process, and both end by themselves."""
    script = tmp_path / "script.py"
    script.write_text(written(file, tmp_path, "print('answer', comparison.result().drifted)"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "answer False\n", "")


@pytest.mark.slow
def test_nothing_is_left_of_a_killed_process(file: Path, tmp_path: Path) -> None:
    """Whoever kills the flow's process with -9 need not look for the other one."""
    then = "import os, time; from loky import get_reusable_executor as get; comparison.result();"
    then += "print(get(max_workers=1).submit(os.getpid).result(), flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", written(file, tmp_path, then)],
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


def written(file: Path, folder: Path, then: str) -> str:
    """A script that has files compared, and then does something."""
    return textwrap.dedent(SCRIPT).format(file=file, report=folder / "drift.html", then=then)


def alive(process: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()


def test_a_process_that_was_killed_is_named_with_what_to_do(home: Settings) -> None:
    """The operating system ends the largest process when memory runs out."""
    run = Run(1, Context(load_spec("flights", home.model_folders), None, None, home))
    broken: Comparison = Future()
    broken.set_exception(BrokenExecutor("gone"))
    with pytest.raises(ServerFailed, match="whether memory ran out"):
        check_drift.fn(run, Pending(1, (), "key"), broken)
