"""What the gate is told of rows that belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from learning.spec import Schema
from tasks.paired_rows import Rows, numbered, searched
from tiny import TINY


def test_rows_of_the_same_entity_have_the_same_number() -> None:
    """Several columns together name an entity; without any, every row is one by itself."""
    found = numbered({"ward": np.array(["a", "a", "b", "a"]), "bed": np.array([1, 1, 1, 2])})
    assert found is not None
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 3
    assert numbered({}) is None


def test_a_search_for_slices_leaves_out_what_names_a_row_or_an_entity() -> None:
    """A verdict's sentence, log and page tell nothing of a single patient."""
    schema = Schema("at", ("visit", "at"), "late", ("visit", "age"), ("patient", "ward"), entity=("patient",))
    assert searched(replace(TINY, schema=schema), Rows((), ())) == ("age", "ward")
