"""Elastic weight consolidation where nothing is replayed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evergreen_client.model_files import load_model
from learning.data import PartitionFile
from learning.files import Trained
from learning.finetuning import finetune
from learning.plans import FineTune, Replay, Stage
from learning.spec import ModelSpec

HEAD = Stage(epochs=2, batch_size=4, learning_rate=0.05)


@pytest.mark.slow
def test_old_rows_anchor_a_head_that_replays_none(
    spec: ModelSpec,
    champion: Trained,
    history: tuple[PartitionFile, ...],
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
) -> None:
    """A strong anchor holds what matters near the champion's; without an old row the reason says that there is none."""
    new, moved = [partition("new", seed=3, flip=True)], []
    for work, anchor, old in (("free", 0.0, history), ("anchored", 1e4, history), ("nothing", 1e4, ())):
        plan = FineTune(stages=(HEAD,), replay=Replay(share=0.0), anchor=anchor)
        folders = {"cache": tmp_path / "cache", "work": tmp_path / work}
        found = finetune(spec, champion.files, new, old, seed=5, plan=plan, refit={"head": 2}, **folders)
        pairs = zip(*(load_model(one.files.head).get_weights() for one in (champion, found)), strict=True)
        moved.append(sum(float(np.abs(one - two).sum()) for one, two in pairs))
        assert ("anchored to nothing, as there are no old rows" in found.reason) == (work == "nothing")
        assert found.replayed == ()
    assert moved[1] < 0.5 * moved[0]
    assert moved[2] == moved[0]
