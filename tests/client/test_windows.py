"""The last rows of an entity, as a service gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evergreen_client.columns import as_text
from evergreen_client.errors import SchemaMismatch
from evergreen_client.windows import last_rows


def test_only_the_last_rows_are_taken_and_what_is_missing_stays_missing() -> None:
    """A number that is None is NaN to the base, a word is empty; padding is 0, and empty."""
    rows = last_rows([{"heat": [9, None, 2], "mode": ["x", "on", None]}, {"heat": [1], "mode": ["off"]}], 2)
    assert np.array_equal(np.asarray(rows["heat"], "float32"), [[np.nan, 2], [0, 1]], equal_nan=True)
    assert as_text(rows["mode"]).reshape(2, 2).tolist() == [["on", ""], ["", "off"]]
    assert rows["mask"].tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize("bad", [{"heat": []}, {"load": [1]}, {"heat": [1], "mode": ["a", "b"]}])
def test_rows_that_do_not_fit_together_are_refused(bad: dict[str, Any]) -> None:
    """With the place of the entity, and none of its values."""
    with pytest.raises(SchemaMismatch, match="entity 2 of 2"):
        last_rows([{"heat": [1]}, bad], 3)
