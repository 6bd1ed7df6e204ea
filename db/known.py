"""What was read from a database that nobody else writes to, until a table that it came from is written to."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Engine, event

from db.views import VIEWS

R = TypeVar("R")

WORD = re.compile(r"\w+")
WRITTEN = re.compile(r"\b(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM)\s+\W?(\w+)")
IN_VIEWS = frozenset(WORD.findall(" ".join(VIEWS.values())))


class Known:
    """Answers of a database, each with the words of the statements that it came from: tables are among them.

    It has three limits. What is written must be SQLAlchemy's own statements: INSERT, UPDATE and DELETE in capitals, no
    REPLACE, and no ON DELETE CASCADE, which writes to a table that no statement names. One thread alone may use it. And
    answers are shared: whoever gets one must not change it.

    Args:
        engine: of the database; all that this process writes goes through it.
    """

    def __init__(self, engine: Engine) -> None:
        self._answers: dict[Hashable, tuple[frozenset[str], Any]] = {}
        self._words: frozenset[str] = frozenset()
        event.listen(engine, "before_cursor_execute", self._follow)

    def answer(self, question: Hashable, ask: Callable[[], R]) -> R:
        """What is known, or what asking gives; a question with a list in it cannot be looked up."""
        try:
            known = question in self._answers
        except TypeError:
            return ask()
        if not known:
            self._words = frozenset()
            found = ask()
            self._answers[question] = self._words, found
        answer: R = self._answers[question][1]
        return answer

    def _follow(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._words |= words(statement)
        for table in WRITTEN.findall(statement):
            self._answers = {asked: known for asked, known in self._answers.items() if table not in known[0]}


@lru_cache(maxsize=1024)
def words(statement: str) -> frozenset[str]:
    """The words of a statement, and of the views if it may ask one.

    Example:
        >>> sorted(words("SELECT number FROM version"))
        ['FROM', 'SELECT', 'number', 'version']
        >>> "block_loss" in words("SELECT came FROM promise")
        True
    """
    found = frozenset(WORD.findall(statement))
    return found if VIEWS.keys().isdisjoint(found) else found | IN_VIEWS
