"""What each cure against forgetting is worth: digits that are turned further from era to era.

`python -m benchmarks.forgetting` trains version 1 on upright digits, then goes through three later eras one after
the other with each method, and prints the mean loss on held-out images of the past and of the newest era, over six
seeds of the weights and of the order of rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from benchmarks.claims import Claims
from demo.digits import digits_month, turned
from learning.data import PartitionFile
from learning.files import ModelFiles
from learning.finetuning import finetune
from learning.plans import FineTune, FromScratch, Pretrain, Replay, Stage
from learning.prediction import predict
from learning.pretraining import pretrain
from models.digits import spec as digits

ERAS = 4
TURN = 30
SEEDS = range(1, 7)
ALLOWED = 1.02
HEAD = Stage("head", learning_rate=1e-3, epochs=10, batch_size=64)
THAW = Stage(
    "all",
    thaw=("conv1", "norm1", "conv2", "norm2", "features"),
    learning_rate=2e-4,
    epochs=25,
    patience=6,
    batch_size=64,
)
JOINT = Pretrain(epochs=60, batch_size=64, patience=8)


def plan(*, replay: float = 0.0, **how: float) -> FineTune:
    """All layers learn, after the head."""
    return FineTune(stages=(HEAD, THAW), replay=Replay(share=replay), **how)


REPLAY, SHRUNK = "replay, as many from each era", "the same, shrunk and perturbed"
METHODS: dict[str, FineTune | FromScratch] = {
    "naive fine-tuning": plan(),
    "EWC on the head": plan(replay=0.1, anchor=1000.0),
    "distillation, no old rows": plan(distill=0.5),
    "replay, 1 old row a new one": plan(replay=1.0),
    REPLAY: plan(replay=float(ERAS)),
    SHRUNK: plan(replay=float(ERAS), shrink=0.5, perturb=0.1),
    "the same, and distillation": plan(replay=float(ERAS), shrink=0.5, perturb=0.1, distill=0.2),
    "from scratch on everything": FromScratch(JOINT),
}


@dataclass(frozen=True)
class Outcome:
    """Mean loss and accuracy on held-out images after the last era, and the seconds that learning took."""

    past_loss: float
    past_accuracy: float
    new_loss: float
    seconds: float


def main() -> int:
    """Print the table; 1 if shrunk replay forgets more than 2 % against joint training on everything."""
    found: dict[str, list[Outcome]] = {}
    with TemporaryDirectory() as folder:
        eras = [partition(Path(folder), era) for era in range(ERAS)]
        for seed in SEEDS:
            for name, outcome in outcomes(Path(folder) / str(seed), eras, seed):
                found.setdefault(name, []).append(outcome)
                print(f"seed {seed}: {name}: {outcome.past_loss:.3f}", file=sys.stderr)
    means = {name: mean(outcomes) for name, outcomes in found.items()}
    print("| method | past eras: loss | accuracy | newest era: loss | seconds |\n| --- | --- | --- | --- | --- |")
    for name, outcome in means.items():
        print(
            f"| {name} | {outcome.past_loss:.3f} | {outcome.past_accuracy:.1%} | {outcome.new_loss:.3f} "
            f"| {outcome.seconds:.0f} |"
        )
    claims = Claims()
    print("\nclaim | measured | goal | holds\n--- | --- | --- | ---")
    joint = means["joint training on everything"].past_loss
    shrunk, alone = (means[name].past_loss / joint for name in (SHRUNK, REPLAY))
    claims.at_most("loss on past eras of replay, shrunk and perturbed, by joint training's", shrunk, ALLOWED)
    claims.show("the same of replay alone", alone)
    return claims.exit_code


def outcomes(root: Path, eras: list[PartitionFile], seed: int) -> Iterator[tuple[str, Outcome]]:
    """Each method and what became of it."""

    def joint(work: Path) -> ModelFiles:
        return pretrain(digits, eras, work=work, seed=seed, plan=JOINT).files

    first = pretrain(digits, eras[:1], work=root / "first", seed=seed, plan=JOINT).files
    yield "joint training on everything", learn(root / "joint", eras, joint)
    yield "version 1 left alone", learn(root / "alone", eras, lambda _work: first)
    for number, (name, method) in enumerate(METHODS.items()):
        yield name, learn(root / str(number), eras, through_eras(root, first, eras, method, seed))


def mean(outcomes: Sequence[Outcome]) -> Outcome:
    """The mean of each figure."""
    return Outcome(*np.mean([astuple(outcome) for outcome in outcomes], axis=0))


def partition(root: Path, era: int) -> PartitionFile:
    """A month of digits, each era turned by another 30 degrees, as a partition file."""
    path = root / f"era{era}.parquet"
    frame = digits_month(era + 1, look=turned(TURN * era))
    frame.with_columns(holdout=pl.col("drawing").cast(pl.Int64) % 5 == 0).write_parquet(path)
    return PartitionFile(f"era{era}", path)


def through_eras(
    root: Path, first: ModelFiles, eras: list[PartitionFile], method: FineTune | FromScratch, seed: int
) -> Callable[[Path], ModelFiles]:
    """A function that lets version 1 learn the later eras one by one."""

    def run(work: Path) -> ModelFiles:
        files = first
        for era in range(1, len(eras)):
            new, old = [eras[era]], eras[:era]
            files = finetune(
                replace(digits, finetune=method),
                files,
                new,
                old,
                cache=root / "cache",
                work=work / str(era),
                seed=seed,
            ).files
        return files

    return run


def learn(work: Path, eras: list[PartitionFile], train: Callable[[Path], ModelFiles]) -> Outcome:
    """Train, then judge on held-out images."""
    started = time.perf_counter()
    files = train(work)
    seconds = time.perf_counter() - started
    predicted = predict(digits, files, eras, split="holdout", cache=work / "judging")
    losses = digits.objective.row_loss(predicted.target, predicted.prediction)
    past = predicted.partition < len(eras) - 1
    accuracy = np.mean(predicted.prediction[past].argmax(axis=1) == predicted.target[past])
    return Outcome(float(losses[past].mean()), float(accuracy), float(losses[~past].mean()), seconds)


if __name__ == "__main__":
    sys.exit(main())
