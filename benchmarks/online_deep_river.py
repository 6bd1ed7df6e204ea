"""Ours beside deep-river's own models, which are PyTorch networks as River estimators, on the streams of River's wheel.

Both are given the very same events, in the same order, and judged by progressive validation: first predict, then score,
then learn. deep-river (benchmarks/deep_river_side.py) asks for another River, and runs in an environment of its own.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.an_environment import python_of
from benchmarks.claims import Claims
from benchmarks.online_streams import STREAMS, Stream, accuracy_or_error
from learning.online_river import RiverClassifier, RiverRegressor

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / ".venv-deep-river"


@contextmanager
def deep_river() -> Iterator[Callable[[Stream], dict[str, float]]]:
    """deep-river in its own environment, made on first use; call it with a stream."""
    python = python_of(ENVIRONMENT, "requirements-deep-river.txt")
    command = [str(python), str(HERE / "deep_river_side.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def figures(stream: Stream) -> dict[str, float]:
            events = [({str(name): float(x) for name, x in row.items()}, label) for row, label in stream.events()]
            process.stdin.write(json.dumps({"regression": stream.regression, "events": events}) + "\n")
            process.stdin.flush()
            found: dict[str, float] = json.loads(process.stdout.readline())
            return found

        try:
            yield figures
        finally:
            process.stdin.close()


def beside_deep_river(claims: Claims, only: str = "") -> None:
    """Every stream: ours has to be better than the best of theirs."""
    with deep_river() as theirs:
        for stream in (one for one in STREAMS if only in ("", one.name)):
            found = theirs(stream)
            ours = accuracy_or_error(stream, (RiverRegressor if stream.regression else RiverClassifier)())
            for name, value in {"Evergreen": ours, **found}.items():
                print(f"  {stream.name}: {name} | {value:.4f} | |", flush=True)
            known = [value for value in found.values() if math.isfinite(value)]  # an error may have grown beyond all
            if stream.regression:
                claims.at_most(f"{stream.name}: our error, by the best one of deep-river", ours / min(known), 1)
            else:
                claims.at_least(
                    f"{stream.name}: our accuracy, above the best one of deep-river", ours - max(known), 0, ""
                )
