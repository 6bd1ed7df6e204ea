"""Names and values that nobody thought of."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.columns import plain, storable
from errors import InvalidName, valid_name

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


def refusal(name: str) -> str:
    """What is said against a name; nothing if it is accepted."""
    try:
        valid_name(name)
    except InvalidName as error:
        return str(error)
    return ""


@given(st.text(st.characters()))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    """What is accepted is safe as a file name and in SQL; what is not is named in one short line."""
    message = refusal(text)
    assert bool(message) == (re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", text, re.ASCII) is None)
    assert len(message) < 600
    assert "\n" not in message


@pytest.mark.parametrize("name", ["a", "flights", "card-fraud_2", "x" * 63])
def test_ordinary_names_are_names(name: str) -> None:
    """The rule refuses nothing that people would choose."""
    assert valid_name(name) == name


@given(JSON_LIKE)
def test_any_document_can_be_stored(document: object) -> None:
    """Strict JSON, UTF-8, without NUL; and once reduced it stays as it is."""
    reduced = plain(document)
    written = json.dumps(reduced, allow_nan=False)
    assert "\\u0000" not in written
    json.dumps(reduced, ensure_ascii=False).encode()
    assert plain(reduced) == reduced


@given(st.text(st.characters()))
def test_any_text_can_be_stored(text: str) -> None:
    """Text that is storable stays as it is; the rest keeps its length."""
    stored = storable(text)
    assert stored.encode().decode() == stored
    assert len(stored) == len(text)
    assert "\0" not in stored
