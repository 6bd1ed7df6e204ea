"""A registry that nobody else writes to: what was read is known until something is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filled import MODEL, START, add_partition, add_version, promote
from sqlalchemy import event

from db.registry import ModelRegistry, open_registry
from db.verdict_records import BlockLoss
from errors import NoChampion


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[ModelRegistry]:
    """A registry with a champion, opened by the only one who writes to it."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}", alone=True) as registry:
        registry.add_model(MODEL)
        add_partition(registry, "p1")
        add_version(registry, trained=["p1"])
        promote(registry, 1)
        yield registry


@contextmanager
def statements_of(registry: ModelRegistry) -> Iterator[list[str]]:
    """The statements that a database is asked meanwhile."""
    asked = list[str]()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    event.listen(registry.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(registry.engine, "before_cursor_execute", note)


def test_the_same_is_asked_once_between_two_writes(alone: ModelRegistry) -> None:
    """Whoever asks again gets what is known; with another argument, it is another question."""
    first = alone.champion(MODEL), alone.trained_on(MODEL, 1), alone.superseded(MODEL)
    with statements_of(alone) as asked:
        assert (alone.champion(MODEL), alone.trained_on(MODEL, 1), alone.superseded(MODEL)) == first
        assert not asked
        assert alone.runs(MODEL, limit=3) == ()
        assert asked


def test_after_a_write_it_is_asked_again(alone: ModelRegistry) -> None:
    """Whatever was written."""
    assert (alone.champion(MODEL).number, len(alone.partitions(MODEL))) == (1, 1)
    add_version(alone, parent=1)
    promote(alone, 2)
    add_partition(alone, "p2", day=2)
    assert (alone.champion(MODEL).number, len(alone.partitions(MODEL))) == (2, 2)


def test_what_a_write_does_not_touch_stays_known(alone: ModelRegistry) -> None:
    """That a run began is no news about partitions and versions; it is about runs."""
    assert (len(alone.trained_on(MODEL, 1)), len(alone.runs(MODEL))) == (1, 0)
    alone.start_run(MODEL, trigger="by hand")
    with statements_of(alone) as asked:
        assert len(alone.trained_on(MODEL, 1)) == 1
        assert not asked
    assert len(alone.runs(MODEL)) == 1


def test_what_a_view_says_is_asked_again_after_a_write_to_its_tables(alone: ModelRegistry) -> None:
    """The statement names the view alone."""
    alone.promises(MODEL)
    with statements_of(alone) as asked:
        alone.promises(MODEL)
        assert not asked
        alone.record_block_losses(MODEL, 1, (BlockLoss("p1", START, 10, 0.5),), proving=False)
        alone.promises(MODEL)
    assert "FROM promise" in asked[-1]


def test_a_list_may_be_asked_about(alone: ModelRegistry) -> None:
    """It cannot be looked up, so that is asked each time."""
    with statements_of(alone) as asked:
        for _ in range(2):
            alone.block_losses(MODEL, [1])
    assert len([one for one in asked if "block_loss" in one]) == 2


def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    """What was not there may be there the next time."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}", alone=True) as registry:
        registry.add_model(MODEL)
        for _ in range(2):
            with pytest.raises(NoChampion):
                registry.champion(MODEL)
        add_version(registry)
        promote(registry, 1)
        assert registry.champion(MODEL).number == 1


def test_who_is_not_alone_sees_what_others_write(registry: ModelRegistry) -> None:
    """As every registry in production."""
    registry.add_model("digits")
    with open_registry(registry.engine.url.render_as_string(hide_password=False)) as other:
        before = len(registry.models())
        other.add_model("another")
        assert len(registry.models()) == before + 1
