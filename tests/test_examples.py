"""The examples in docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
ROOMS = (
    "arrivals", "cli", "client/evergreen_client", "db", "demo", "evaluation", "flows", "learning", "monitoring", "tasks"
)  # fmt: skip
FILES = [PROJECT / "errors.py", *sorted(path for room in ROOMS for path in (PROJECT / room).rglob("*.py"))]
WITH_EXAMPLES = [path.relative_to(PROJECT) for path in FILES if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=str)
def test_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of their own, with a home of their own."""
    module = importlib.import_module(".".join(path.with_suffix("").parts).removeprefix("client."))
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(module).failed == 0


def test_an_example_is_left_out_only_where_it_needs_a_champion() -> None:
    """The others run wherever somebody tries them."""
    texts = [(PROJECT / path).read_text() for path in WITH_EXAMPLES]
    lines = [line for text in texts for line in text.splitlines() if "+SKIP" in line]
    assert not [line for line in lines if "champion" not in line]


def test_there_are_examples() -> None:
    """The search above finds them, also those of the client."""
    assert {Path("learning/split.py"), Path("client/evergreen_client/durable.py")} <= set(WITH_EXAMPLES)
