"""A copy of a registry says what the registry says, and what is done to it leaves no trace."""

from __future__ import annotations

from pathlib import Path

from filled import MODEL, promote, three_champions

from db.copying import copy_rows
from db.registry import ModelRegistry, open_registry


def test_a_copy_goes_on_by_itself(registry: ModelRegistry, tmp_path: Path) -> None:
    """From either database; every row and number is there, and new ones follow on."""
    three_champions(registry)
    registry.start_run(MODEL, trigger="by hand")
    with open_registry(f"sqlite:///{tmp_path}/copy.db") as copy:
        copy_rows(registry.engine, copy.engine)
        assert copy.promotions(MODEL) == registry.promotions(MODEL)
        assert copy.versions(MODEL) == registry.versions(MODEL)
        assert copy.trained_on(MODEL, 3) == registry.trained_on(MODEL, 3)
        assert copy.open_runs() == registry.open_runs()
        promote(copy, 1)
        assert (copy.champion(MODEL).number, registry.champion(MODEL).number) == (1, 3)
