"""An adopted MobileNet, retrained beside plain Keras: `python -m benchmarks.adopted_images`.

The usual transfer learning: a `keras.applications` backbone as a layer, a pooling, a Dense layer, saved by plain Keras
and cut as `evergreen adopt` cuts it. Weights are random (none are downloaded), with the statistics of normalisation
that some images leave. A plain script and Evergreen learn the same 5,000 images for as many epochs, with the same head;
the backbone is frozen for both. Each measurement is a process of its own, and its imports are not counted: a retrain is
one too, so that nothing is traced beforehand. Processor time is compared: it is the same on a busy machine.

Plain `fit` passes all images through the backbone in each of its 20 epochs, for the same features every time. So two
fits of it are timed, of one epoch and of three, and each epoch further is taken to cost what the last two did; and
what its head learns in 20 epochs is learned by plain `fit` of the head alone, from these features.

- cold: nobody has ever seen any of the images, each passes the backbone once
- weekly: 1,000 are new; the features of 4,000 replayed ones were kept by the weeks before
- cached: all features were kept, as when a retrain is repeated, or refits its proof
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.claims import Claims
from benchmarks.learning import BATCH, fitted, head_only, plain_fit, tune
from demo.digits import digits_month
from evergreen_client.model_files import load_model
from learning.adoption import Adopted
from learning.built import build
from learning.data import PartitionFile, concatenate, read_inputs, select
from learning.existing import look
from learning.files import ModelFiles
from learning.prediction import predict
from learning.spec import ModelSpec, Multiclass, Replay, Schema, Source, image

if TYPE_CHECKING:
    import keras

    from learning.data import Columns

SIDE = 48  # pixels, both ways
EPOCHS = 20
TIMED = 1, 3  # epochs of plain `fit`
ROUNDS = 3
PARTITIONS = 5
LEARNED, HELD_OUT = 1_000, 200  # images of each
SIDES = ("plain", "cold", "weekly", "cached")

schema = Schema(
    time="written_at",
    key=("image_id",),
    entity=("drawing",),
    target="digit",
    files={"photo": image(SIDE, SIDE, 3)},
    block="6h",
)


def main() -> int:
    """Measure every claim; 1 if one does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=LEARNED, help="of each of the five partitions")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--side", choices=SIDES, help="measure one side, in the folder that was prepared")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(measured(asked.side, asked.folder)))
        return 0
    claims = Claims()
    with TemporaryDirectory() as folder:
        prepare(Path(folder), asked.images)
        rounds = [{side: elsewhere(side, Path(folder)) for side in SIDES} for _ in range(asked.rounds)]
    print(f"{PARTITIONS * asked.images:,} images of {SIDE} x {SIDE} pixels, {EPOCHS} epochs, batches of {BATCH}")
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    for side in SIDES:
        claims.show(f"{side}, processor time", median(one[side]["processor"] for one in rounds), "s")

    def faster(side: str) -> float:
        return median(one["plain"]["processor"] / one[side]["processor"] for one in rounds)

    told = f"plain fit's processor time ({TIMED[0]} and {TIMED[1]} epochs timed, drawn out to {EPOCHS}) by ours"
    claims.at_least(f"adopted MobileNet, no image seen before: {told}", faster("cold"), 10)
    claims.at_least("the same where a fifth is new, as every week", faster("weekly"), 10)
    claims.at_least("the same where all features are cached", faster("cached"), 40)
    loss = median(one["cold"]["loss"] / one["plain"]["loss"] for one in rounds)
    claims.at_most("our holdout loss by plain fit's", loss, 1.02)
    claims.show("plain fit's holdout loss by that of guessing", rounds[0]["plain"]["loss"] / float(np.log(10)))
    return claims.exit_code


def elsewhere(side: str, folder: Path) -> dict[str, float]:
    """One measurement, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.adopted_images", "--side", side, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    told = f"{found['processor']:.1f} s of processor time, loss {found['loss']:.4f}"
    print(f"{side}: {told}", file=sys.stderr, flush=True)
    return found


def measured(side: str, folder: Path) -> dict[str, float]:
    """Seconds of one side, and its holdout loss."""
    spec, champion, partitions = adopted_spec(folder), files_of(folder), partitions_of(folder)
    if side == "plain":
        few, more = (spent(lambda epochs=epochs: plain_fit(spec, champion, partitions, epochs))[0] for epochs in TIMED)
        an_epoch = (more - few) / (TIMED[1] - TIMED[0])
        return {"processor": few + (EPOCHS - TIMED[0]) * an_epoch, "loss": plain_loss(spec, champion, partitions)}
    work = folder / f"{side}-{time.perf_counter_ns()}"
    if side != "cold":
        shutil.copytree(folder / "cache", work / "cache")
    new, old, plan = partitions, [], head_only(EPOCHS)
    if side == "weekly":
        new, old = partitions[-1:], partitions[:-1]
        plan = head_only(EPOCHS, Replay(rows=len(old) * learned_in(old[0])))
        for entry in (work / "cache").rglob(f"{new[0].digest}.npy"):
            entry.unlink()
    processor, challenger = spent(lambda: tune(spec, champion, new, old, plan, work / "work", work / "cache"))
    said = predict(spec, challenger.files, partitions, split="holdout", cache=folder / "cache")
    return {"processor": processor, "loss": loss(spec, said.target, said.prediction)}


def plain_loss(spec: ModelSpec, champion: ModelFiles, partitions: list[PartitionFile]) -> float:
    """Holdout loss of the head after plain `fit` of it, as within the whole model, whose backbone stays as it is."""
    base, head = load_model(champion.base), load_model(champion.head)

    def features(rows: Columns) -> Any:
        return base.predict(rows, batch_size=BATCH, verbose=0)

    head = fitted(head, spec, partitions, EPOCHS, features)
    rows = select(schema, partitions, "holdout")
    held = concatenate([read_inputs(schema, one.partition, one.rows) for one in rows])
    return loss(spec, np.concatenate([one.target for one in rows]), head.predict(features(held), verbose=0))


def spent(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of processor time, and what came out."""
    before = time.process_time()
    result = run()
    return time.process_time() - before, result


def prepare(folder: Path, images: int) -> None:
    """The model as plain Keras saved it, the images, version 1, and the features that earlier runs would have kept."""
    for place in range(PARTITIONS):
        month(place + 1, images).write_parquet(folder / f"part{place}.parquet")
    partitions = partitions_of(folder)
    rows = select(schema, partitions[:1], "train")[0]
    some = read_inputs(schema, partitions[0], rows.rows[:256])
    transfer_learning(some["photo"]).save(folder / "saved.keras")
    (folder / "champion").mkdir()
    spec = adopted_spec(folder)
    champion = build(spec, some, folder / "champion")
    (folder / "digests.json").write_text(json.dumps([champion.base_digest, champion.head_digest]))
    predicted = predict(spec, champion, partitions, split="all", cache=folder / "cache").prediction
    ours, theirs = predicted[: len(rows.target)], adopted(folder).answers(some)
    assert np.isfinite(ours).all(), "the backbone makes nothing of these images"
    np.testing.assert_allclose(whole_answers(champion, some), theirs, atol=1e-5)


def transfer_learning(images: Any) -> keras.Model:
    """A backbone inside a model, as in Keras' own guide, whose normalisation has seen some images."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    backbone = keras.applications.MobileNet((SIDE, SIDE, 3), include_top=False, weights=None)
    norms = [layer for layer in backbone.layers if isinstance(layer, layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.5
    for _ in range(10):
        backbone(images / 127.5 - 1, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    photo = keras.Input((SIDE, SIDE, 3), name="photo")
    features = backbone(layers.Rescaling(1 / 127.5, offset=-1)(photo), training=False)
    pooled = layers.Dropout(0.2)(layers.GlobalAveragePooling2D(name="pool")(features))
    return keras.Model(photo, layers.Dense(10, activation="softmax")(pooled))


def adopted(folder: Path) -> Adopted:
    """The saved model, cut where `evergreen adopt` proposes it."""
    return Adopted(folder / "saved.keras", schema, at=look(folder / "saved.keras").at)


def adopted_spec(folder: Path) -> ModelSpec:
    """What `evergreen adopt` writes into a model's file."""
    model = adopted(folder)
    return ModelSpec(
        name="photos",
        schema=schema,
        objective=Multiclass(10),
        source=Source(path="photos"),
        build_base=lambda _sample: model.base(),
        build_head=lambda _features: model.head(),
    )


def files_of(folder: Path) -> ModelFiles:
    """Version 1."""
    base, head = json.loads((folder / "digests.json").read_text())
    return ModelFiles(folder / "champion/base.keras", folder / "champion/head.keras", base, head)


def partitions_of(folder: Path) -> list[PartitionFile]:
    """The images, oldest first."""
    return [PartitionFile(f"part{place}", folder / f"part{place}.parquet") for place in range(PARTITIONS)]


def learned_in(partition: PartitionFile) -> int:
    """Images of a partition that are not held out."""
    return len(select(schema, [partition], "train")[0].rows)


def whole_answers(champion: ModelFiles, rows: Columns) -> Any:
    """What head(base(row)) says."""
    return load_model(champion.head)(load_model(champion.base)(rows, training=False), training=False)


def loss(spec: ModelSpec, target: Any, said: Any) -> float:
    """Mean log loss."""
    return float(np.mean(spec.objective.row_loss(target, said)))


def month(number: int, images: int) -> pl.DataFrame:
    """So many photos of digits, and a fifth as many that are held out: other drawings, each pixel made large."""
    frame = digits_month(number, 2 * images + 100, look=lambda drawn: drawn)
    held = frame["drawing"].cast(pl.Int64) % 5 == 0
    parts = [frame.filter(~held).head(images), frame.filter(held).head(images // 5)]
    rows = pl.concat([part.with_columns(holdout=pl.lit(bool(place))) for place, part in enumerate(parts)])
    large = rows["pixels"].to_numpy().reshape(-1, 8, 8, 1).repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)
    pixels = (255 * np.concatenate([large, 1 - large, large / 2], axis=3)).round().astype("uint8")
    kept = pl.Series(pixels.reshape(len(rows), -1), dtype=pl.Array(pl.UInt8, SIDE * SIDE * 3))
    return rows.select(
        "written_at", "image_id", "drawing", "digit", "holdout", photo=pl.col("image_id") + ".png"
    ).with_columns(kept.alias(schema.kept("photo")))


if __name__ == "__main__":
    sys.exit(main())
