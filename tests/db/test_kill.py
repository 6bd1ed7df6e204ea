"""kill -9 between a file's first byte and the last commit leaves the registry whole."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import fatal
import pytest


@pytest.fixture
def trials(url: str, tmp_path: Path) -> list[dict[str, int]]:
    """What was found after each kill; tests/support/fatal.py looks, and fails on anything that is half."""
    places = [str(Path(fatal.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", fatal.__file__, url, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, int]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_kill_at_every_point(trials: list[dict[str, int]], backend: str) -> None:
    """A version is there or not, champion or not, never half; what was stored for nothing is found by gc."""
    every = 1 if backend == "sqlite" else 3
    assert len(trials) > 30 // every, "files and statements are no longer counted"
    for before, after in itertools.pairwise(trials):
        assert after["versions"] - before["versions"] in {0, 1}
        assert after["sequence"] - before["sequence"] in {0, 1}
        assert after["champion"] == (
            after["versions"] if after["sequence"] > before["sequence"] else before["champion"]
        )
    assert sum(trial["orphans"] for trial in trials) > 5 // every
    assert trials[0]["versions"] == 1
    assert trials[-1]["versions"] > 1
    assert trials[-1]["orphans"] == 0
