"""A refit whose classes are less even than those of its proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from learning import kept_head
from learning.data import PartitionFile
from learning.files import Trained
from learning.finetuning import finetune
from learning.plans import FineTune, Replay, Stage
from learning.spec import ModelSpec
from learning.steps import Steps


@pytest.mark.slow
def test_a_refit_with_a_shift_does_not_take_the_graph_of_a_proof_without(
    spec: ModelSpec,
    champion: Trained,
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proof saw as many rows of each class, so that its steps shift no chance; those of the refit have to."""
    fine = replace(spec, schema=replace(spec.schema, block="1m"))
    stage = Stage(epochs=1, batch_size=4, learning_rate=0.05, class_weight="balanced")
    plan, window = FineTune(stages=(stage,), replay=Replay(share=0.0)), datetime(2024, 1, 1, 0, 6, tzinfo=UTC)
    new = partition("new", number=12)
    rows = pl.read_parquet(new.path)
    rows.with_columns(y=pl.Series([0.0, 1.0, 0.0, 0.0, *[1.0] * 8])).write_parquet(new.path)

    def train(work: str, **more: Any) -> Trained:
        folders = {"cache": tmp_path / "cache", "work": tmp_path / work}
        return finetune(fine, champion.files, [new], [], seed=5, plan=plan, **folders, **more)

    kept_head._newest.clear()
    train("proof", before=window)
    assert list(kept_head._newest[0].steps) == [stage.name]
    traced, original = list[str](), Steps._traced

    def noted(self: Steps, inputs: Any) -> Any:
        traced.append(self.plan.name)
        return original(self, inputs)

    monkeypatch.setattr(Steps, "_traced", noted)
    train("refit", refit={stage.name: 1})
    assert traced == [stage.name]
