"""The error tree: drawn as it is, and three parts to every message."""

from __future__ import annotations

import importlib
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import errors
from errors import EvergreenError, UnknownModel

PROJECT = Path(__file__).parent.parent
ROOMS = (
    "arrivals", "cli", "client/evergreen_client", "db", "demo", "evaluation", "flows", "learning", "monitoring", "tasks"
)  # fmt: skip
LINE = re.compile(r"^((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+)(?=  |$)")


def below(kind: type[EvergreenError]) -> Iterator[tuple[str, str]]:
    """(parent, child) of every class in the tree below one."""
    for child in kind.__subclasses__():
        yield kind.__name__, child.__name__
        yield from below(child)


def drawn() -> Iterator[tuple[str, str]]:
    """(parent, child) of every line of the drawing at the top of errors.py."""
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := LINE.match(line):
            depth = line.index(found[2]) // 4
            path[depth:] = [found[2]]
            if depth:
                yield path[-2], path[-1]


@pytest.fixture(scope="module")
def kinds() -> list[type[EvergreenError]]:
    """Every class of errors in the project: all modules are imported for it."""
    for room in ROOMS:
        for path in (PROJECT / room).rglob("*.py"):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
                importlib.import_module(name.removeprefix("client.").removesuffix(".__init__"))
    waiting, found = [EvergreenError], []
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return found


def test_the_drawing_is_the_tree(kinds: list[type[EvergreenError]]) -> None:
    """Every class of any room stands in the drawing, below its parent, and the drawing invents none."""
    assert len(kinds) > 20
    assert sorted(drawn()) == sorted(below(EvergreenError))


def test_a_message_has_three_parts() -> None:
    """What came in, why it is refused, how to fix it."""
    error = UnknownModel("model 'x'", "no file models/x.py defines it", "use one of: flights")
    assert str(error) == "model 'x': no file models/x.py defines it. To fix it: use one of: flights."


def test_errors_cross_processes(kinds: list[type[EvergreenError]]) -> None:
    """An error raised in a worker process arrives whole."""
    for kind in kinds:
        error = kind("this", "that", "so")
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
