"""How many runs at once are right for a machine, as `evergreen up` says when it starts."""

from __future__ import annotations

from pathlib import Path

from cli.capacity import GIB, cores, memory


def test_a_container_has_the_memory_that_it_is_allowed(tmp_path: Path) -> None:
    """Not that of the machine; without a limit, or where there is none to read, the machine's."""
    limit = tmp_path / "memory.max"
    whole = memory(limit)
    assert whole >= GIB
    assert cores() >= 1
    limit.write_text("max\n")
    assert memory(limit) == whole
    limit.write_text(f"{GIB // 2}\n")
    assert memory(limit) == GIB // 2
