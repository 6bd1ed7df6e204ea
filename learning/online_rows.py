"""A row as it comes, a mapping, becomes what a learner's graph takes; one that the schema refuses goes no further."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec, SchemaMismatch
from learning.objectives import Objective
from learning.schema import Schema

Row = Mapping[str, Any]
NUMBERS, WORDS = "numbers/", "words/"  # no column has such a name
UNKNOWN = -1.0  # the slot of a word that has none


def checked(schema: Schema, row: Row) -> dict[str, Any]:
    """The inputs of a row: numbers as float, texts as str, tensors as arrays; NaN or "" where nullable and missing.

    Raises:
        SchemaMismatch: an input is missing that is not nullable, or is no number, or breaks a rule of the schema.
    """
    found: dict[str, Any] = {}
    for name in schema.inputs:
        value = row.get(name)
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        if missing and name not in schema.nullable:
            raise SchemaMismatch(
                f"a row without '{name}'", "the column is not nullable", "fill it in, or name it there"
            )
        if name in schema.numeric:
            found[name] = math.nan if missing else _number(schema, name, value)
        elif name in schema.strings:
            found[name] = "" if missing else _text(schema, name, value)
        else:
            found[name] = _tensor(schema, name, math.nan if missing else value)
    return found


def refusal(schema: Schema, objective: Objective, row: Row, label: Any = None) -> str:
    """Why a row or its label cannot be learned, in a few words, or ""; a label of None is not looked at.

    Example:
        >>> from learning.objectives import Binary
        >>> schema = Schema(time="at", key=("id",), target="late", numeric=("speed",), ranges={"speed": (0, 300)})
        >>> refusal(schema, Binary(), {"speed": 301})
        "a row's 'speed': it is outside of 0 to 300"
    """
    try:
        checked(schema, row)
        weight_of(schema, row)
        if label is not None:
            label_of(schema, objective, label)
    except SchemaMismatch as error:
        return f"{error.received}: {error.why}"
    return ""


def packed(schema: Schema, rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
    """Rows as few arrays: of many small ones, each costs a call as much as a layer does.

    "numbers/" holds all numeric columns as float32, "words/" all categories and texts; others bear their names.

    Raises:
        SchemaMismatch: the schema refuses one.

    Example:
        >>> schema = Schema(time="at", key=("id",), target="late", numeric=("speed", "size"), nullable=("size",))
        >>> packed(schema, [{"speed": 2, "size": 5}, {"speed": 3}])["numbers/"].tolist()
        [[2.0, 5.0], [3.0, nan]]
    """
    taken = [checked(schema, row) for row in rows]
    found = {name: np.array([one[name] for one in taken], "float32") for name in (*schema.tensors, *schema.files)}
    for kind, names, dtype in ((NUMBERS, schema.numeric, "float32"), (WORDS, schema.strings, object)):
        if names:
            found[kind] = np.array([[one[name] for name in names] for one in taken], dtype)
    return found


def label_of(schema: Schema, objective: Objective, label: Any) -> float:
    """A label as the number that a model learns: of words their place.

    Raises:
        SchemaMismatch: it is no class of the objective's, or no number.
    """
    if objective.names and isinstance(label, str):
        if label not in objective.names:
            fix = f"the classes are {list(objective.names)}"
            raise SchemaMismatch(f"a label of '{schema.target}'", "it is none of the objective's words", fix)
        return float(objective.names.index(label))
    try:
        number = float(label)
    except (TypeError, ValueError):
        number = math.nan
    classes = objective.class_count
    if not math.isfinite(number) or (classes is not None and number not in range(classes)):
        wanted = "a finite number" if classes is None else f"one of 0 to {classes - 1}"
        raise SchemaMismatch(f"a label of '{schema.target}'", f"it is not {wanted}", "learn from rows with labels")
    return number


def weight_of(schema: Schema, row: Row) -> float:
    """How much a row counts; one that does not say, as from before there were weights, counts 1, as in a retrain.

    Raises:
        SchemaMismatch: it says less than 0, or what is no number.
    """
    value = row.get(schema.weight) if schema.weight else None
    if value is None:
        return 1.0
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise SchemaMismatch(f"a row's '{schema.weight}'", "it is no weight, 0 or more", "leave the row out")
    return float(value)


class Words:
    """The words of a category, each in a slot of a bounded table; the one not seen for longest makes place.

    Example:
        >>> words = Words(2)
        >>> [words.learn(word) for word in ("a", "b", "a", "c")], words.slot("b")
        ([0, 1, 0, 1], -1)
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._known: OrderedDict[str, int] = OrderedDict()

    def slot(self, word: str) -> int:
        """Where a word is; -1 if it is not known, or there is none."""
        return self._known.get(word, int(UNKNOWN))

    def learn(self, word: str) -> int:
        """The slot of a word, which has one from now on; of no word, none."""
        if not word:
            return int(UNKNOWN)
        if word not in self._known:
            full = len(self._known) >= self.slots
            self._known[word] = self._known.popitem(last=False)[1] if full else len(self._known)
        self._known.move_to_end(word)
        return self._known[word]

    def restore(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Know these words, in this order."""
        self._known = OrderedDict((word, int(slot)) for word, slot in pairs)

    def pairs(self) -> list[tuple[str, int]]:
        """Words and slots, the one that was not seen for longest first."""
        return list(self._known.items())

    def by_slot(self) -> list[str]:
        """The words in the order of their slots."""
        return sorted(self._known, key=self._known.__getitem__)


class ColdRows:
    """What a cold start takes of a row: its numbers, and the slots of its words.

    Args:
        schema: names the columns.
        slots: size of each table of words.

    Raises:
        InvalidSpec: there are other inputs than numbers and categories.
    """

    def __init__(self, schema: Schema, slots: int) -> None:
        if schema.opaque or schema.window:
            why = "it makes features of numbers and categories only"
            raise InvalidSpec("a cold start with texts, tensors, files or windows", why, "begin with a version")
        self.schema = schema
        self.words = {name: Words(slots) for name in schema.categorical}

    def numbers(self, rows: Sequence[Row], *, learn: bool = False) -> NDArray[np.float64]:
        """Numbers, then slots, one row a line; NaN where a number is missing. New words get a slot where it `learn`s.

        Raises:
            SchemaMismatch: the schema refuses a row; no word is learned then.
        """
        taken = [checked(self.schema, row) for row in rows]
        return np.array([[*self._line(one, learn=learn)] for one in taken], "float64").reshape(len(rows), -1)

    def _line(self, row: dict[str, Any], *, learn: bool) -> list[float]:
        found = [row[name] for name in self.schema.numeric]
        for name, words in self.words.items():
            found.append(words.learn(row[name]) if learn else words.slot(row[name]))
        return found


def _number(schema: Schema, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.inf
    low, high = schema.ranges.get(name, (-math.inf, math.inf))
    if not math.isfinite(number) or not low <= number <= high:
        why = "it is no finite number" if not math.isfinite(number) else f"it is outside of {low} to {high}"
        raise SchemaMismatch(f"a row's '{name}'", why, "leave the row out, or mend what sends it")
    return number


def _text(schema: Schema, name: str, value: Any) -> str:
    allowed = schema.allowed.get(name)
    if allowed is not None and str(value) not in allowed:
        raise SchemaMismatch(f"a row's '{name}'", f"it is none of {list(allowed)}", "leave the row out")
    return str(value)


def _tensor(schema: Schema, name: str, value: Any) -> NDArray[np.float32]:
    shape = tuple(schema.tensors[name] if name in schema.tensors else schema.files[name].shape)
    try:
        if isinstance(value, float) and math.isnan(value):  # it is missing, and may be: a retrain fills NaN in, too
            return np.full(shape, np.nan, "float32")
        return np.asarray(value, "float32").reshape(shape)
    except (TypeError, ValueError):
        raise SchemaMismatch(f"a row's '{name}'", f"it is no array of shape {shape}", "send it as one") from None
