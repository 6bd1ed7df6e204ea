"""A copy of a registry says what the registry says, and what is done to it leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from filled import MODEL, promote, three_champions
from sqlalchemy import event

from db.columns import Base
from db.copying import ROWS, copy_registry
from db.registry import ModelRegistry, open_registry


def test_a_copy_goes_on_by_itself(registry: ModelRegistry, tmp_path: Path) -> None:
    """From either database; every row and number is there, and new ones follow on."""
    three_champions(registry)
    registry.start_run(MODEL, trigger="by hand")
    with open_registry(f"sqlite:///{tmp_path}/copy.db") as copy:
        copy_registry(registry.engine, copy.engine)
        assert copy.promotions(MODEL) == registry.promotions(MODEL)
        assert copy.versions(MODEL) == registry.versions(MODEL)
        assert copy.trained_on(MODEL, 3) == registry.trained_on(MODEL, 3)
        assert copy.open_runs() == registry.open_runs()
        promote(copy, 1)
        assert (copy.champion(MODEL).number, registry.champion(MODEL).number) == (1, 3)


def test_few_rows_are_in_memory_at_once(registry: ModelRegistry, tmp_path: Path) -> None:
    """From either database: a registry of years is copied before each dry run."""
    asked = list[object]()

    @event.listens_for(registry.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, _values: object, context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            asked.append(context.execution_options.get("yield_per"))

    with open_registry(f"sqlite:///{tmp_path}/copy.db") as copy:
        copy_registry(registry.engine, copy.engine)
    assert asked.count(ROWS) == len(Base.metadata.sorted_tables)
