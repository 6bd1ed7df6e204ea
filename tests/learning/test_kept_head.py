"""A refit that begins with the head and the graphs of its proof."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from learning import kept_head
from learning.data import PartitionFile
from learning.files import Trained
from learning.finetuning import finetune
from learning.plans import FineTune, Replay, Stage
from learning.spec import ModelSpec
from learning.steps import Steps

WINDOW = datetime(2024, 1, 1, 0, 6, tzinfo=UTC)
HEAD = Stage(epochs=2, batch_size=4, learning_rate=0.05)

Train = Callable[..., Trained]


@pytest.fixture
def train(
    spec: ModelSpec,
    champion: Trained,
    history: tuple[PartitionFile, ...],
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
) -> Train:
    """A function that trains a proof, or a refit, of 12 rows of which every row is a block."""
    fine = replace(spec, schema=replace(spec.schema, block="1m"))
    new = [partition("new", seed=3, number=12)]

    def call(work: str, plan: FineTune, spec: ModelSpec = fine, **more: Any) -> Trained:
        folders = {"cache": tmp_path / "cache", "work": tmp_path / work}
        return finetune(spec, champion.files, new, history, seed=5, plan=plan, **folders, **more)

    return call


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages whose gradient steps were traced, one after the other."""
    stages: list[str] = []
    original = Steps._traced

    def noted(self: Steps, inputs: Any) -> Any:
        stages.append(self.plan.name)
        return original(self, inputs)

    monkeypatch.setattr(Steps, "_traced", noted)
    return stages


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [
        FineTune(stages=(HEAD,), replay=Replay(share=1.0), shrink=0.5, perturb=0.2),
        FineTune(stages=(HEAD, replace(HEAD, name="thawed", thaw=("block2",))), distill=0.3),
    ],
    ids=["shrunk and perturbed", "thawed, distilled"],
)
def test_a_refit_after_its_proof_is_the_same_to_the_last_bit_as_one_that_begins_anew(
    train: Train, traced: list[str], plan: FineTune
) -> None:
    """A killed run refits in a process that knows of no proof; dropout, replay and the optimizer start as there."""
    kept_head._newest.clear()
    train("proof", plan, before=WINDOW)
    epochs = {stage.name: 2 for stage in plan.stages}
    after = train("refit", plan, refit=epochs)
    assert traced.count("head") == 1
    kept_head._newest.clear()
    alone = train("alone", plan, refit=epochs)
    assert traced.count("head") == 2
    assert (after.files.head_digest, after.files.base_digest) == (alone.files.head_digest, alone.files.base_digest)
    assert after.epochs == alone.epochs


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_what_an_anchor_or_a_callback_made_is_not_used_again(train: Train, traced: list[str], spec: ModelSpec) -> None:
    """What anchors a proof was drawn for its rows; and a callback may do anything to a head."""
    anchored = FineTune(stages=(HEAD,), replay=Replay(share=1.0), anchor=1.0)
    watched = replace(spec, schema=replace(spec.schema, block="1m"), callbacks=list)
    for work, plan, more in (("anchored", anchored, {}), ("watched", FineTune(stages=(HEAD,)), {"spec": watched})):
        train(work, plan, before=WINDOW, **more)
        train(f"{work} again", plan, refit={"head": 1}, **more)
    assert traced == ["head"] * 4


@pytest.mark.usefixtures("eagerly")
def test_a_head_whose_training_failed_is_forgotten(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what state it is in."""
    plan = FineTune(stages=(HEAD,))
    train("one", plan, before=WINDOW)
    assert len(kept_head._newest) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Steps, "run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train("two", plan, refit={"head": 1})
    assert kept_head._newest == []


CHILD = """
import sys
from datetime import UTC, datetime
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {folder!r})
from conftest import SPEC
from learning.plans import FineTune, Replay, Stage
from learning.data import PartitionFile
from learning.files import ModelFiles
from learning.finetuning import finetune

work, proofs = Path(sys.argv[1]), sys.argv[2:]
spec = replace(SPEC, schema=replace(SPEC.schema, block="1m"))
champion = ModelFiles(Path({base!r}), Path({head!r}), {base_digest!r}, {head_digest!r})
new, old = PartitionFile("new", Path({new!r})), PartitionFile("old", Path({old!r}))
plan = FineTune(stages=(Stage(epochs=2, batch_size=4, learning_rate=0.05),), replay=Replay(share=1.0))
how = {{"cache": work / "cache", "seed": 1, "plan": plan}}
for proof in proofs:
    finetune(spec, champion, [new], [old], work=work / proof, before=datetime(2024, 1, 1, 0, 6, tzinfo=UTC), **how)
trained = finetune(spec, champion, [new], [old], work=work / "refit", refit={{"head": 2}}, **how)
print(trained.epochs, trained.files.head_digest)
"""


@pytest.mark.slow
def test_a_refit_in_a_process_of_its_own_is_the_same_to_the_last_bit(
    champion: Trained, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """As after kill -9 between proof and refit."""
    files = champion.files
    code = CHILD.format(
        folder=str(Path(__file__).parent),
        base=str(files.base),
        head=str(files.head),
        base_digest=files.base_digest,
        head_digest=files.head_digest,
        new=str(history[0].path),
        old=str(history[1].path),
    )
    told = []
    for arguments in (["both", "proof"], ["alone"]):
        command = [sys.executable, "-c", code, str(tmp_path / arguments[0]), *arguments[1:]]
        told.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told[0] == told[1]
