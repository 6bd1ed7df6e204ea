"""A fresh service that is none: it answers in this process, where TensorFlow is imported already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from learning.fresh_service import Answer, Production, Question, answered, written


class ServiceHere:
    """What `FreshService` does, at once."""

    def __init__(self, _models: Sequence[Path], _first: str = "") -> None:
        self.asked = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def prepare(self, _production: Production) -> None:
        """Nothing: it begins with what it is asked."""

    def ask(self, question: Question) -> None:
        """Take it down."""
        self.asked = written(question)

    def answer(self) -> Answer:
        """Load and predict."""
        return answered(self.asked)
