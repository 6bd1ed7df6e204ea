"""A model file with other values in its spec, as text: what a person wrote stays as it is, to the last comment."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from errors import InvalidSpec

if TYPE_CHECKING:
    from learning.spec import ModelSpec

Branch = Mapping[str, Any]  # field to its value, or to a branch of its own


def edited(source: str, changes: Mapping[str, object], spec: ModelSpec) -> str:
    """The text of a model file in which the spec has other values.

    Places are found in the syntax tree, and nothing but them is touched. A part that the file does not name is added to
    the call of ModelSpec, and to the import that ModelSpec comes by.

    Args:
        source: the file's text.
        changes: new values by their path, for example {"retrain.every": "30d"}.
        spec: what the file defines.

    Raises:
        InvalidSpec: the file does not show the call plainly; the error has the lines to write there by hand.

    Example:
        >>> from learning.policies import RetrainPolicy
        >>> from types import SimpleNamespace
        >>> text = 'spec = ModelSpec(name="shop", retrain=RetrainPolicy(min_rows=700))  # weekly'
        >>> edited(text, {"retrain.every": "30d"}, SimpleNamespace(retrain=RetrainPolicy()))
        'spec = ModelSpec(name="shop", retrain=RetrainPolicy(min_rows=700, every="30d"))  # weekly'
    """
    edits = _Edits(source, by_hand(changes, spec))
    call = edits.call(_only(edits.tree, "spec"), "ModelSpec", "spec")
    edits.change(call, spec, _tree(changes), "spec")
    edits.bring(call)
    return edits.applied()


def by_hand(changes: Mapping[str, object], spec: ModelSpec) -> str:
    """The arguments of ModelSpec that a person would write, for whoever has to do it by hand.

    Example:
        >>> from learning.policies import RetrainPolicy
        >>> from types import SimpleNamespace
        >>> by_hand({"retrain.when": ("performance",)}, SimpleNamespace(retrain=RetrainPolicy()))
        'retrain=RetrainPolicy(when=("performance",))'
    """
    return ", ".join(f"{name}={_written(value, getattr(spec, name))}" for name, value in _tree(changes).items())


@dataclass
class _Edits:
    """What is to be replaced in a text, by places in its bytes: a syntax tree counts in them."""

    source: str
    by_hand: str
    places: list[tuple[int, int, str]] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.text = self.source.encode()
        self.tree = ast.parse(self.text)
        self.lines: list[int] = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def start(self, node: Any) -> int:
        return self.lines[int(node.lineno) - 1] + int(node.col_offset)

    def end(self, node: Any) -> int:
        return self.lines[int(node.end_lineno) - 1] + int(node.end_col_offset)

    def refused(self, where: str, why: str) -> InvalidSpec:
        return InvalidSpec(where, why, f"write it there yourself: {self.by_hand}")

    def call(self, value: ast.expr | None, of: str, where: str) -> ast.Call:
        """The call that an expression is, or that the name which it is was given, once, at the top of the file."""
        if isinstance(value, ast.Name):
            value = _only(self.tree, value.id)
        if isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] == of:
            return value
        raise self.refused(where, f"the file does not plainly write it as {of}(...)")

    def change(self, call: ast.Call, owner: Any, branch: Branch, where: str) -> None:
        """Give arguments of a call other values."""
        new = list[str]()
        for name, value in branch.items():
            path, now = f"{where}.{name}", getattr(owner, name)
            there = self.argument(call, owner, name, path)
            if there is None:
                new.append(f"{name}={_written(value, now, self.prefix(call))}")
                self.classes |= set(_classes(value, now))
            elif isinstance(value, Mapping):
                self.change(self.call(there, type(now).__name__, path), now, value, path)
            else:
                self.places.append((self.start(there), self.end(there), _literal(value, self.prefix(call))))
                self.classes |= set(_classes(value, now))
        if new:
            self.add(call, new)

    def argument(self, call: ast.Call, owner: Any, name: str, where: str) -> ast.expr | None:
        """What a call gives for a parameter; None where it leaves the default."""
        for keyword in call.keywords:
            if keyword.arg == name:
                return keyword.value
        unclear = any(keyword.arg is None for keyword in call.keywords) or any(
            isinstance(one, ast.Starred) for one in call.args
        )
        if unclear:
            raise self.refused(where, "it may come with the * or ** of the call")
        order = [one.name for one in fields(owner)] if hasattr(owner, "__dataclass_fields__") else [name]
        place = order.index(name)
        return call.args[place] if place < len(call.args) else None

    def add(self, call: ast.Call, new: list[str]) -> None:
        """Add arguments behind the last one, each on a line of its own where the others are."""
        given = [*call.args, *call.keywords]
        close = self.end(call) - 1
        if not given:
            self.places.append((close, close, ", ".join(new)))
            return
        last = max(self.end(one) for one in given)
        comma = "," in re.sub(r"#.*", "", self.text[last:close].decode())
        begin = self.text.rfind(b"\n", 0, close) + 1
        if begin > last and not self.text[begin:close].strip():  # the bracket closes on a line of its own
            if not comma:
                self.places.append((last, last, ","))
            first = self.text[self.text.rfind(b"\n", 0, self.start(given[-1])) + 1 :]
            indent = re.match(rb"[ \t]*", first)[0].decode()  # type: ignore[index]
            end = "\r\n" if self.text[:begin].endswith(b"\r\n") else "\n"
            self.places.append((begin, begin, "".join(f"{indent}{one},{end}" for one in new)))
        else:
            self.places.append((last, last, "".join(f", {one}" for one in new)))

    @staticmethod
    def prefix(call: ast.Call) -> str:
        """What stands before the name of the class that is called, as a module's name."""
        return f"{ast.unparse(call.func.value)}." if isinstance(call.func, ast.Attribute) else ""

    def bring(self, call: ast.Call) -> None:
        """Import the classes that are written now, from where ModelSpec comes."""
        imports = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom)]
        known = {alias.asname or alias.name for node in imports for alias in node.names}
        lacking = sorted(self.classes - known) if not self.prefix(call) else []
        if not lacking:
            return
        named = [node for node in imports if any(alias.name == "ModelSpec" for alias in node.names)]
        if not named:
            raise self.refused("spec", f"it is not seen where {lacking[0]} is to be imported from")
        for name in lacking:
            behind = [alias for alias in named[0].names if alias.name > name]
            place = self.start(behind[0]) if behind else self.end(named[0].names[-1])
            self.places.append((place, place, f"{name}, " if behind else f", {name}"))

    def applied(self) -> str:
        """The text with everything replaced, from its end to its beginning."""
        found = self.text
        for start, end, text in sorted(self.places, key=lambda one: one[0], reverse=True):
            found = found[:start] + text.encode() + found[end:]
        return found.decode()


def _only(tree: ast.Module, name: str) -> ast.expr | None:
    """What a name is given at the top of a file, if that is done once."""
    given = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and any(isinstance(to, ast.Name) and to.id == name for to in _targets(node))
    ]
    top = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return given[0] if len(given) == 1 and given[0] in top else None


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _tree(changes: Mapping[str, object]) -> dict[str, Any]:
    """Paths as branches: {"retrain.every": "30d"} as {"retrain": {"every": "30d"}}."""
    found: dict[str, Any] = {}
    for path, value in changes.items():
        *above, name = path.split(".")
        branch = found
        for part in above:
            branch = branch.setdefault(part, {})
        branch[name] = value
    return found


def _written(value: Any, now: Any, prefix: str = "") -> str:
    """A value, or a call with a branch's values, in Python."""
    if not isinstance(value, Mapping):
        return _literal(value, prefix)
    inside = ", ".join(f"{name}={_written(one, getattr(now, name), prefix)}" for name, one in value.items())
    return f"{prefix}{type(now).__name__}({inside})"


def _classes(value: Any, now: Any = None) -> Iterator[str]:
    """The classes that `_written` and `_literal` call."""
    if isinstance(value, Mapping):
        yield type(now).__name__
        for name, one in value.items():
            yield from _classes(one, getattr(now, name))
    elif isinstance(value, tuple | list):
        yield from (name for one in value for name in _classes(one))
    elif is_dataclass(value):
        yield type(value).__name__
        yield from (name for one in fields(value) for name in _classes(getattr(value, one.name)))


def _literal(value: Any, prefix: str = "") -> str:
    """A plain value, or a record of such, in Python, words in double quotes; of a record what is not by default."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple | list):
        return f"({', '.join(_literal(one, prefix) for one in value)}{',' * (len(value) == 1)})"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if not is_dataclass(value):
        raise InvalidSpec(f"the value {value!r}", "it cannot be written into a file", "write it there by hand")
    parts = ((one.name, getattr(value, one.name)) for one in fields(value) if getattr(value, one.name) != one.default)
    return f"{prefix}{type(value).__name__}({', '.join(f'{name}={_literal(one, prefix)}' for name, one in parts)})"
