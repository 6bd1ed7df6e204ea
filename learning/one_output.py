"""What an objective of one output answers where one of several is asked for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self


class OneOutput:
    """An objective of a single output; `MultiOutput` has the same names for several."""

    label_count: ClassVar[int] = 1  # columns of labels

    def by_target(self, target: str) -> Mapping[str, Self]:
        """Each column of labels, and what it is for."""
        return {target: self}

    def outputs_of(self, prediction: Any) -> Iterator[tuple[str, Self, Any]]:
        """Each output's name, objective and predictions, shape (rows, its width); an only one needs no name."""
        yield "", self, prediction
