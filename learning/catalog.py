"""Which models there are: every file in the user's models folders that defines `spec`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from shlex import quote
from symtable import symtable
from traceback import extract_tb
from types import ModuleType
from typing import TYPE_CHECKING

from errors import EvergreenError, InvalidSpec, UnknownModel, did_you_mean
from evergreen_client.shown import gist

if TYPE_CHECKING:
    from learning.spec import ModelSpec


def known_models(folders: Sequence[Path]) -> tuple[str, ...]:
    """Names of the models, in alphabetical order; no model file is run to find them."""
    names = set()
    for path in (path for folder in folders for path in folder.glob("*.py")):
        with suppress(InvalidSpec):  # what is no Python defines nothing
            if _defines_spec(path):
                names.add(path.stem)
    return tuple(sorted(names))


def load_spec(name: str, folders: Sequence[Path]) -> ModelSpec:
    """The spec that the file NAME.py defines, in the first of the folders that has one.

    Raises:
        UnknownModel: no file of this name defines a spec.
        InvalidSpec: the file is no Python, or cannot be run, or its spec has another name.
    """
    path = next((path for folder in folders if (path := folder / f"{name}.py").is_file()), None)
    if path is None or not _defines_spec(path):
        known = known_models(folders)
        fix = did_you_mean(name, known) or f"use one of: {', '.join(known) or '(none yet)'}. "
        where = " or ".join(os.path.relpath(folder / f"{name}.py") for folder in folders)
        raise UnknownModel(
            f"model '{name}'",
            f"no file {where} defines it",
            f"{fix}`evergreen new {name} --from FILE` adds one, EVERGREEN_MODELS names other folders",
        )
    spec: ModelSpec = _module(path).spec
    if spec.name != name:
        raise InvalidSpec(f"spec.name '{spec.name}' in {path}", "name and file differ", f'write name="{name}"')
    return spec


def _module(path: Path) -> ModuleType:
    """A model file as a module, run once a process.

    It is known as `models.NAME` wherever the file lies: a saved layer of the user's own names its module.
    """
    name = f"models.{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = str(path)  # where its source is read from later
    try:
        SourceFileLoader(name, str(path)).exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception) and not isinstance(error, EvergreenError):
            raise _fault_of(path, error) from error
        raise
    return module


def _fault_of(path: Path, error: Exception) -> InvalidSpec:
    """Where a model file fails that was run, and how its owner sees more."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
    where = f"file {path}, line {lines[-1]}" if lines else f"file {path}"
    fix = f"run `python {quote(os.path.relpath(path))}`, which shows all of the error"
    return InvalidSpec(where, f"it cannot be run ({gist(error)})", fix)


def _defines_spec(path: Path) -> bool:
    """Whether a file, which is not run, assigns `spec` at its top level; InvalidSpec says that it is no Python."""
    try:
        names = symtable(path.read_text(encoding="utf-8"), str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise InvalidSpec(f"file {path}", f"it is no Python: {error}", "mend it") from error
    return "spec" in names.get_identifiers() and names.lookup("spec").is_assigned()
