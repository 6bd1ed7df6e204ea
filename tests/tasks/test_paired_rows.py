"""What the gate is told of rows that belong together."""

from __future__ import annotations

import numpy as np

from tasks.paired_rows import numbered


def test_rows_of_the_same_entity_have_the_same_number() -> None:
    """Several columns together name an entity; without any, every row is one by itself."""
    found = numbered({"ward": np.array(["a", "a", "b", "a"]), "bed": np.array([1, 1, 1, 2])})
    assert found is not None
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 3
    assert numbered({}) is None
