"""Folds: each is judged by a challenger that learned from all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from learning.data import PartitionFile, Selection, select
from learning.files import Trained
from learning.finetuning import finetune
from learning.folds import fold_starts, refit_epochs
from learning.plans import FineTune, FromScratch, Replay, Stage
from learning.spec import ModelSpec

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
PLACE = PartitionFile("p", Path())
REPLAYING = FineTune(stages=(Stage(epochs=3, batch_size=4, learning_rate=0.05),), replay=Replay(share=0.5))
NO_BLOCKS = Selection(PLACE, np.arange(9), np.zeros(9))


def days(events: list[int], rows: int = 100) -> list[Selection]:
    """So many rows a day, the first of them events."""
    target = np.concatenate([np.arange(rows) < count for count in events]).astype("float64")
    block = np.datetime64("2024-01-01", "us") + np.repeat(np.arange(len(events)), rows) * np.timedelta64(1, "D")
    return [Selection(PLACE, np.arange(len(target)), target, block)]


def starts(events: list[int], share: float = 0.25) -> list[int]:
    """The days on which folds begin."""
    return [(start - FIRST).days for start in fold_starts(days(events), share)]


def test_folds_hold_whole_days_and_about_as_many_events() -> None:
    """Each fold's verdict is to say about as much."""
    assert starts([3] * 8) == [0, 2, 4, 6]
    assert starts([0, 0, 0, 12, 4, 4, 2, 2]) == [0, 4, 6]  # one day has half of all events
    assert starts([3] * 8, share=0.5) == [0, 4]


def test_a_small_share_is_no_reason_for_a_hundred_trainings() -> None:
    """Each fold takes two."""
    assert len(starts([1] * 60, share=0.01)) == 5


@pytest.mark.parametrize("rows", [[], days([5]), [NO_BLOCKS]])
def test_a_single_day_has_no_folds(rows: list[Selection]) -> None:
    """Nor have no rows at all, or rows without days."""
    assert len(fold_starts(rows, 0.25)) < 2


def test_each_row_is_left_out_once(spec: ModelSpec, partition: Callable[..., PartitionFile]) -> None:
    """What a fold's challenger learns from and what it is judged by are all rows, and no row is both."""
    new = partition("new")
    everything = select(spec.schema, [new], "all")[0].rows.tolist()
    begin = [FIRST + timedelta(minutes=minute) for minute in (0, 3, 7)]
    judged = []
    for since, until in pairwise([*begin, FIRST + timedelta(days=1)]):
        learned = select(spec.schema, [new], "all", before=since, after=until)[0].rows.tolist()
        left_out = select(spec.schema, [new], "all", since=since, before=until)[0].rows.tolist()
        assert sorted(learned + left_out) == everything
        judged += left_out
    assert judged == everything


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("plan", [REPLAYING, FromScratch()], ids=["fine-tuned", "from scratch"])
def test_what_a_fold_holds_changes_nothing_of_who_judges_it(
    spec: ModelSpec,
    champion: Trained,
    partition: Callable[..., PartitionFile],
    tmp_path: Path,
    plan: FineTune | FromScratch,
) -> None:
    """Neither weights, nor what columns are normalised by, nor the epoch, nor what is replayed of the same time."""
    begins, ends = FIRST + timedelta(minutes=8), FIRST + timedelta(minutes=16)
    held = pl.col("at").is_between(begins, ends, closed="left")
    named = replace(spec, schema=replace(spec.schema, block="1m"))
    fold: dict[str, Any] = {"seed": 5, "plan": plan, "before": begins, "after": ends}
    found = []
    for name in ("as it is", "altered"):
        parts = [partition(f"{name} {kind}", number=24, seed=seed) for kind, seed in (("new", 3), ("old", 4))]
        for part in parts if name == "altered" else ():
            other = {"a": 1e3 * pl.col("a") + 7, "b": -pl.col("b"), "c": pl.lit("z"), "y": 1 - pl.col("y")}
            changed = {name: pl.when(held).then(column).otherwise(pl.col(name)) for name, column in other.items()}
            pl.read_parquet(part.path).with_columns(**changed).write_parquet(part.path)
        train = partial(finetune, named, champion.files, parts[:1], parts[1:], cache=tmp_path / "cache", **fold)
        proof = train(work=tmp_path / name)
        again = train(work=tmp_path / f"{name} refit", refit=dict.fromkeys(proof.kept, 2), fitted=proof.fitted)
        found.append([(one.files.base_digest, one.files.head_digest, one.kept, one.epochs) for one in (proof, again)])
    assert found[0] == found[1]
    assert again.files.head_digest != champion.files.head_digest


@pytest.mark.parametrize(("stage", "epochs"), [("head", 5), ("pretrain", 30)])
def test_the_middle_epoch_is_kept_and_from_scratch_the_latest(stage: str, epochs: int) -> None:
    """One fold that found nothing, or much, does not decide for all rows; of what has no start, much is better."""
    proofs = [SimpleNamespace(kept={stage: kept}) for kept in (0, 7, 5, 30)]
    assert refit_epochs(proofs) == {stage: epochs}  # type: ignore[arg-type] - they have what is looked at
