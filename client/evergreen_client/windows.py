"""The last rows of an entity, as a model with a window takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evergreen_client.errors import SchemaMismatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASK = "mask"


def last_rows(entities: Sequence[Mapping[str, Sequence[Any]]], length: int) -> dict[str, NDArray[Any]]:
    """What `Champion.predict` takes of a model with a window: one row of `length` steps for each entity.

    Args:
        entities: of each its rows by column, oldest first, the one to be predicted last, as in training: those with a
            time up to its own. Older ones than fit are left out; where there are fewer, it is padded in front.
        length: of the model's window.

    Returns:
        The columns, each of shape (entities, length), and the mask that says which steps are rows.

    Raises:
        SchemaMismatch: an entity has no rows, other columns than the first, or columns of several lengths.

    Example:
        >>> rows = last_rows([{"heat": [20.5, 21.0], "mode": ["idle", "on"]}, {"heat": [19.0], "mode": ["on"]}], 3)
        >>> rows["heat"].tolist(), rows["mode"].tolist()
        ([[0, 20.5, 21.0], [0, 0, 19.0]], [['', 'idle', 'on'], ['', '', 'on']])
        >>> rows["mask"].tolist()
        [[False, True, True], [False, False, True]]
    """
    import numpy as np

    columns = tuple(entities[0]) if entities else ()
    found: dict[str, NDArray[Any]] = {name: np.zeros((len(entities), length), "object") for name in columns}
    found[MASK] = np.zeros((len(entities), length), bool)
    for place, entity in enumerate(entities):
        steps = {len(values) for values in entity.values()}
        if set(entity) != set(columns) or len(steps) != 1 or not (rows := min(steps.pop(), length)):
            why = "each has to have the same columns, and one value in each for every one of its rows"
            raise SchemaMismatch(
                f"rows of entity {place + 1} of {len(entities)}", why, "give its last rows, one at least"
            )
        for name in columns:
            values = list(entity[name])
            words = any(isinstance(value, str) for value in values)
            found[name][place] = ["" if words else 0] * (length - rows) + values[len(values) - rows :]
        found[MASK][place, length - rows :] = True
    return found
