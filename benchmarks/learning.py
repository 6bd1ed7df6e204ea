"""Learning, beside plain Keras: `python -m benchmarks.learning`.

Every figure is a ratio of two things that ran in turn in this process, so that another machine, or a busy one,
gives the same answer. `benchmarks/whole_retrain.py` measures the whole flow beside a bare script.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks import large_digits
from benchmarks.claims import Claims
from demo.digits import digits_month
from evergreen_client.model_files import load_model
from learning.data import PartitionFile, Selection, concatenate, read_inputs, select
from learning.files import ModelFiles, Trained
from learning.finetuning import finetune
from learning.held_back import hold_back
from learning.plans import FineTune, Pretrain, Replay, Stage
from learning.prediction import predict
from learning.pretraining import pretrain
from learning.schedules import constant
from learning.spec import ModelSpec
from models.digits import spec as small_digits
from models.flights import spec as flights

if TYPE_CHECKING:
    import keras

    from learning.data import Columns

PASSES = 3
BATCH = 256
SEED = 1
VALIDATION = 0.1


def main() -> int:
    """Measure every claim; 1 if one does not hold."""
    claims = Claims()
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    with TemporaryDirectory() as folder:
        root = Path(folder)
        cold, warm, loss = images(large_digits.spec, large_digits.month, root / "large")
        claims.at_least("images, 20 head epochs: plain fit's time by ours", cold, 5)
        claims.at_least("images, features cached by an earlier run", warm, 20)
        claims.at_most("images: our holdout loss by plain fit's", loss, 1.02)
        cold, warm, loss = images(small_digits, digits_month, root / "small")
        claims.show("8 x 8 pixels, 20 head epochs", cold)
        claims.show("8 x 8 pixels, features cached", warm)
        claims.show("8 x 8 pixels, holdout loss", loss)
        tabular(claims, root / "tabular")
        history(claims, root / "history")
    return claims.exit_code


def images(digits: ModelSpec, month: Callable[[int, int], pl.DataFrame], root: Path) -> tuple[float, float, float]:
    """20 head epochs on 20,000 images, beside `fit` of the whole model with a frozen base.

    Returns:
        Plain fit's time by ours, the same with cached features, and our holdout loss by plain fit's.
    """
    root.mkdir()
    past, new = digits_file(root, "past", month(1, 5_000)), digits_file(root, "new", month(4, 25_000))
    first = pretrain(digits, [past], work=root / "first", seed=1, plan=Pretrain(epochs=3, batch_size=BATCH))
    plan = head_only(epochs=20)
    cold, challenger = timed(lambda: tune(digits, first.files, [new], [], plan, root / "cold", root / "cache"))
    warm, _ = timed(lambda: tune(digits, first.files, [new], [], plan, root / "warm", root / "cache"))
    plain, model = timed(lambda: plain_fit(digits, first.files, [new], epochs=20))
    prediction = predict(digits, challenger.files, [new], split="holdout", cache=root / "cache")
    ours = float(np.mean(digits.objective.row_loss(prediction.target, prediction.prediction)))
    rows = select(digits.schema, [new], "holdout")[0]
    predicted = model.predict(read_inputs(digits.schema, new, rows.rows), verbose=0, batch_size=4096)
    theirs = float(np.mean(digits.objective.row_loss(rows.target, predicted)))
    return plain / cold, plain / warm, ours / theirs


def tabular(claims: Claims, root: Path) -> None:
    """One epoch of the flights' head, against one of `fit` of the whole frozen model."""
    root.mkdir()
    weeks = [flights_file(root, week) for week in range(1, 6)]
    first = pretrain(flights, weeks, work=root / "first", seed=1, plan=Pretrain(epochs=1))

    def ours(epochs: int) -> float:
        work = root / f"{epochs}-{time.perf_counter_ns()}"
        return timed(lambda: tune(flights, first.files, weeks, [], head_only(epochs), work, root / "cache"))[0]

    def theirs(epochs: int) -> float:
        return timed(lambda: plain_fit(flights, first.files, weeks, epochs))[0]

    ours(1)
    an_epoch = [median((run(22) - run(2)) / 20 for _ in range(PASSES)) for run in (ours, theirs)]
    claims.at_most("flights, a head epoch: our time by plain fit's", an_epoch[0] / an_epoch[1], 0.5)


def history(claims: Claims, root: Path) -> None:
    """The same new rows and replay budget, after 100 past partitions and after 1."""
    root.mkdir()
    frame = pl.concat([flights_frame(week) for week in range(1, 9)])
    past = [write(root, f"past{place}", frame.sample(4_000, seed=place)) for place in range(100)]
    new = [flights_file(root, 9)]
    first = pretrain(flights, past[:8], work=root / "first", seed=1, plan=Pretrain(epochs=1))
    plan = head_only(epochs=20, replay=Replay(rows=3_000))
    for partition in past:
        predict(flights, first.files, [partition], split="all", cache=root / "cache")
    seconds: dict[int, list[float]] = {1: [], 100: []}
    for repeat in range(2 * PASSES + 1):
        for many, times in seconds.items():
            work = root / f"{many}-{repeat}"
            started = time.perf_counter()
            tune(flights, first.files, new, past[:many], plan, work, root / "cache")
            times.append(time.perf_counter() - started)
    ratio = median(seconds[100][1:]) / median(seconds[1][1:])
    claims.at_most("a retrain after 100 past partitions by one after 1", ratio, 1.15)


def head_only(epochs: int, replay: Replay | None = None) -> FineTune:
    """So many epochs of the head, and no fewer."""
    stage = Stage(epochs=epochs, patience=epochs, batch_size=BATCH, learning_rate_scale=1.0, schedule=constant)
    return FineTune(stages=(stage,), replay=replay or Replay(share=0.0), validation=VALIDATION)


def tune(  # noqa: PLR0913, PLR0917 - a bare call of finetune, with what the benchmarks vary
    spec: ModelSpec,
    champion: ModelFiles,
    new: list[PartitionFile],
    old: list[PartitionFile],
    plan: Any,
    work: Path,
    cache: Path,
) -> Trained:
    """Fine-tune with a fixed seed."""
    return finetune(spec, champion, new, old, plan=plan, work=work, cache=cache, seed=SEED)


def plain_fit(spec: ModelSpec, champion: ModelFiles, new: list[PartitionFile], epochs: int) -> keras.Model:
    """What a script without Evergreen does, with the same rows: load, freeze the base, compile, fit, keep the best.

    Rows go in as tensors: `fit` takes strings only so, and takes images from arrays no faster.
    """
    import keras
    import tensorflow as tf

    base, head = load_model(champion.base), load_model(champion.head)
    base.trainable = False
    inputs = {
        tensor.name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name) for tensor in base.inputs
    }

    def tensors(rows: Columns) -> dict[str, tf.Tensor]:
        return {name: tf.constant(column) for name, column in rows.items()}

    return fitted(keras.Model(inputs, head(base(inputs))), spec, new, epochs, tensors)


def fitted(
    model: keras.Model, spec: ModelSpec, new: list[PartitionFile], epochs: int, inputs: Callable[[Columns], Any]
) -> keras.Model:
    """A model as plain `fit` leaves it, of what `inputs` makes of raw rows; the rows held back are those of ours."""
    import keras

    def pairs(part: list[Selection]) -> tuple[Any, Any]:
        rows = concatenate([read_inputs(spec.schema, piece.partition, piece.rows) for piece in part])
        return inputs(rows), np.concatenate([piece.target for piece in part])

    learned, held = hold_back(spec.schema, select(spec.schema, new, "train"), FineTune(validation=VALIDATION), SEED)
    model.compile(optimizer=keras.optimizers.Adam(spec.pretrain.learning_rate), loss=spec.objective.loss)
    best = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
    keras.utils.set_random_seed(SEED)
    model.fit(
        *pairs(learned), validation_data=pairs(held), batch_size=BATCH, epochs=epochs, callbacks=[best], verbose=0
    )
    return model


def digits_file(root: Path, name: str, frame: pl.DataFrame) -> PartitionFile:
    """A month of digits as a partition file, with a holdout mark."""
    return write(root, name, frame.with_columns(holdout=pl.col("drawing").cast(pl.Int64) % 5 == 0))


def flights_file(root: Path, week: int) -> PartitionFile:
    """A week of flights as a partition file."""
    return write(root, f"week{week}", flights_frame(week))


def flights_frame(week: int) -> pl.DataFrame:
    """A week of flights with a holdout mark."""
    from demo.flights import flights_week

    frame = flights_week(week)
    return frame.with_columns(holdout=pl.struct(flights.schema.key).hash(1) % 5 == 0)


def write(root: Path, name: str, frame: pl.DataFrame) -> PartitionFile:
    """A frame as a partition file."""
    frame.write_parquet(root / f"{name}.parquet")
    return PartitionFile(name, root / f"{name}.parquet")


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came out."""
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    sys.exit(main())
