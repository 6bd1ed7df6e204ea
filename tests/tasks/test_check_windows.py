"""A window that a schema gets after rows were taken is refused before anything more is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from arriving import SPEC, Port
from pumping import HEADER, SCHEMA, hour

from learning.window import Window
from tasks.check_model import objection
from tasks.run import Context


@pytest.mark.parametrize("before", [None, Window(by=("pump",), length=4)], ids=["none", "longer"])
def test_rows_without_these_windows_are_told_of_before_there_is_a_version(
    tmp_path: Path, before: Window | None
) -> None:
    """In a sentence with a way out, of a run that would have ended in an error over columns."""
    port = Port(tmp_path, replace(SPEC, schema=replace(SCHEMA, window=before)))
    port.registry.add_model("small")

    def told(window: Window | None) -> str:
        spec = replace(SPEC, schema=replace(SCHEMA, window=window))
        return objection(Context(spec, port.registry, port.store, cast("Any", None)))

    assert told(SCHEMA.window) == ""  # nothing was taken yet
    port.land("a.csv", hour(0), hour(1), header=HEADER)
    port.ingest()
    assert "rows of small were taken before its schema had Window(by=('pump',), length=3" in told(SCHEMA.window)
    assert "give the model another name" in told(SCHEMA.window)
    assert told(before) == ""
