"""The ladder that challengers go up when those before them stayed stuck."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evergreen_client.model_files import load_model
from learning.data import PartitionFile
from learning.digests import weights_digest
from learning.escalation import escalated
from learning.files import Trained
from learning.finetuning import finetune
from learning.plans import FineTune, FromScratch
from learning.policies import ESCALATIONS
from learning.spec import ModelSpec, RetrainPolicy


def test_each_level_is_the_next_step_and_the_last_is_never_left(spec: ModelSpec) -> None:
    """Without a ladder the plan stays the model's own, however long challengers are stuck."""
    laddered = replace(spec, retrain=RetrainPolicy(escalate=ESCALATIONS))
    plans = [escalated(laddered, level) for level in range(5)]
    assert plans[0] is spec.finetune
    recent, thawed = plans[1:3]
    assert isinstance(recent, FineTune)
    assert isinstance(thawed, FineTune)
    assert (recent.replay.recent, len(recent.stages)) == (1.0, len(spec.finetune.stages))  # type: ignore[union-attr]
    assert len(thawed.stages) == len(recent.stages) + 1
    assert plans[3] == plans[4] == FromScratch(warm_start=True)
    assert escalated(replace(spec, retrain=RetrainPolicy(escalate=())), 3) is spec.finetune


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_thawed_base_learns_in_every_layer_that_can(
    spec: ModelSpec,
    champion: Trained,
    history: tuple[PartitionFile, ...],
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
) -> None:
    """More slowly than the head."""
    plan = escalated(replace(spec, retrain=RetrainPolicy(escalate=("thaw",))), 1)
    assert isinstance(plan, FineTune)
    assert plan.stages[-1].rate(spec.pretrain) < plan.stages[0].rate(spec.pretrain)
    idle, thawed = plan.stages
    short = replace(idle, epochs=0), replace(thawed, epochs=4, batch_size=4, learning_rate=0.01)
    new = [partition("new", seed=3)]
    found = finetune(
        spec, champion.files, new, history, cache=tmp_path / "c", work=tmp_path / "w", plan=replace(plan, stages=short)
    )
    assert found.kept["escalated"] > 0
    before, after = (load_model(files.base) for files in (champion.files, found.files))
    learned = {layer.name for layer in before.layers if layer.weights and layer.trainable_weights}
    changed = {
        layer.name
        for layer, other in zip(before.layers, after.layers, strict=True)
        if weights_digest(layer.weights) != weights_digest(other.weights)
    }
    assert changed == learned != set()
