"""A model as `evergreen new` drafts it of a file, exactly as it is."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.drafting.guess import guess
from cli.drafting.sample import read_sample
from cli.drafting.source import model_source
from learning.catalog import load_spec
from learning.spec import ModelSpec


def drafted(name: str, rows: Path, target: str) -> ModelSpec:
    """Draft a model of a file with the columns `at` and `id`; its source stays beside the file, as long as it is used.

    Args:
        name: the model's.
        rows: a file as `evergreen new` takes it.
        target: the column that it predicts.
    """
    found = guess(read_sample(rows), time="at", target=target, key=("id",))
    (rows.parent / f"{name}.py").write_text(model_source(found, name, rows.name), encoding="utf-8")
    sys.modules.pop(f"models.{name}", None)
    return load_spec(name, [rows.parent])
