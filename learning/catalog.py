"""Which models there are: every file in the user's models folders that defines `spec`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from symtable import SymbolTable, symtable
from typing import TYPE_CHECKING

from errors import InvalidSpec, UnknownModel, did_you_mean

if TYPE_CHECKING:
    from types import ModuleType

    from learning.spec import ModelSpec


def known_models(folders: Sequence[Path]) -> tuple[str, ...]:
    """Names of the models, in alphabetical order; no model file is run to find them."""
    return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.py") if _defines_spec(path)}))


def load_spec(name: str, folders: Sequence[Path]) -> ModelSpec:
    """The spec that the file NAME.py defines, in the first of the folders that has one.

    Raises:
        UnknownModel: no file of this name defines a spec.
        InvalidSpec: the file is no Python, or its spec has another name.
    """
    path = next((path for folder in folders if (path := folder / f"{name}.py").is_file()), None)
    if path is not None:
        _top_level(path)
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
    loader = SourceFileLoader(name, str(path))
    found = ModuleSpec(name, loader, origin=str(path))
    found.has_location = True  # so that the module has a __file__, which its source is read from later
    module = sys.modules[name] = module_from_spec(found)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _defines_spec(path: Path) -> bool:
    """Whether a file assigns `spec` at its top level; one that is no Python defines nothing."""
    try:
        names = _top_level(path)
    except InvalidSpec:
        return False
    return "spec" in names.get_identifiers() and names.lookup("spec").is_assigned()


def _top_level(path: Path) -> SymbolTable:
    """The names at the top level of a file, which is not run."""
    try:
        return symtable(path.read_text(encoding="utf-8"), str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise InvalidSpec(f"file {path}", f"it is no Python: {error}", "mend it") from error
