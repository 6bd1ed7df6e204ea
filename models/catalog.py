"""Which models there are: every file in models/ that defines `spec`."""

from __future__ import annotations

import ast
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path

from errors import InvalidSpec, UnknownModel
from models.spec import ModelSpec

FOLDER = Path(__file__).parent


def known_models(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the models, in alphabetical order; no model file is run to find them."""
    return tuple(sorted(path.stem for path in folder.glob("*.py") if _defines_spec(path)))


@cache
def load_spec(name: str) -> ModelSpec:
    """The spec that models/NAME.py defines.

    Raises:
        UnknownModel: no file of this name defines a spec.
        InvalidSpec: the file's spec has another name.
    """
    known = known_models()
    if name not in known:
        if fault := _fault(FOLDER / f"{name}.py"):
            raise InvalidSpec(f"file models/{name}.py", f"it is no Python: {fault}", "mend it")
        near = get_close_matches(name, known, n=1)
        fix = f"did you mean '{near[0]}'?" if near else f"use one of: {', '.join(known) or '(none yet)'}."
        raise UnknownModel(
            f"model '{name}'", f"no file models/{name}.py defines it", f"{fix} `evergreen new NAME` adds one"
        )
    spec: ModelSpec = import_module(f"models.{name}").spec
    if spec.name != name:
        raise InvalidSpec(
            f"spec.name '{spec.name}' in models/{name}.py", "name and file differ", f'write name="{name}"'
        )
    return spec


def _fault(path: Path) -> str:
    """Why a file does not parse; empty where it does, or is not there."""
    try:
        ast.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except (SyntaxError, UnicodeDecodeError) as error:
        return str(error)
    return ""


def _defines_spec(path: Path) -> bool:
    """Whether a file assigns `spec` at its top level; a file that does not parse defines nothing."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return False
    targets = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return any(isinstance(target, ast.Name) and target.id == "spec" for target in targets)
