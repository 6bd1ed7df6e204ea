"""The text of a builder: whether the function that made a base is still the one in the model's file."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from learning.environment import PARSING
from learning.schema import Schema
from learning.spec import ModelSpec

BUILDERS = ("build_base", "build_head")


def builder_texts(spec: ModelSpec) -> dict[str, str]:
    """A digest of each builder's text: of the function, and of all in its file that it makes use of.

    Comments, docstrings and how lines are broken do not count, and neither does the rest of the file.
    """
    return {name: _digest(getattr(spec, name)) for name in BUILDERS}


def _digest(function: Callable[..., Any]) -> str:
    try:
        source, name = inspect.getsource(inspect.getmodule(function) or function), function.__name__
        # Columns, objective and plans are compared by themselves, and most of their fields do not matter to a builder.
        values = dict(getattr(function, "__globals__", {}))
        apart = frozenset(known for known, value in values.items() if isinstance(value, Schema | ModelSpec))
        found = _used(source, name, apart)
    except (OSError, TypeError, AttributeError, SyntaxError):
        return str(getattr(function, "__qualname__", type(function).__qualname__))
    return found or hashlib.sha256(inspect.getsource(function).encode()).hexdigest()


@lru_cache(maxsize=64)  # several steps of a run ask, and to parse a file takes longer than to ask a registry
def _used(source: str, name: str, apart: frozenset[str]) -> str:
    """A digest of what a name makes use of in a file; "" where it is made inside of another function."""
    with PARSING:
        module = ast.parse(source)
    parts = dict(_defined(module.body))
    if name not in parts:
        return ""
    used, waiting = dict[str, str](), [name]
    while waiting:
        if (part := waiting.pop()) in used or part not in parts or part in apart:
            continue
        used[part] = ast.dump(_bare(parts[part]))
        waiting += [node.id for node in ast.walk(parts[part]) if isinstance(node, ast.Name)]
    return hashlib.sha256(repr(sorted(used.items())).encode()).hexdigest()


def _defined(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Each name that is defined at the top of a module, and where; imports are another file's business."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                yield from ((node.id, statement) for node in ast.walk(target) if isinstance(node, ast.Name))


def _bare(part: ast.stmt) -> ast.stmt:
    """The same without docstrings; the module was parsed for this alone, so it may be changed."""
    for node in ast.walk(part):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return part
