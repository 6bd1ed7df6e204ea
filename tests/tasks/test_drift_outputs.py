"""What the champion makes of both windows: rotated images and replaced texts are seen, which no column shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp

from errors import NotEnoughData
from learning.data import PartitionFile
from learning.files import ModelFiles, save_model
from learning.objectives import Multiclass
from learning.spec import DriftPolicy, Schema
from monitoring.samples import Layout, Rows
from settings import Settings
from tasks.drift_outputs import CLASSES, OutputSides, expected_columns, output_sides
from tasks.drift_windows import WindowFiles

if TYPE_CHECKING:
    import keras

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("plane", "late", "storm", "gate", "crew", "fog", "snow", "engine")
OTHERS = ("cake", "sugar", "oven", "butter", "flour", "bowl", "late", "spoon")
SCHEMA = Schema(time="at", key=("id",), target="y", categorical=("text",), tensors={"pixels": (8, 8, 1)})


def images_and_texts() -> keras.Model:
    """Edges of an image, as a convolution that nobody trained sees them, beside the words of a text."""
    from keras import Input, Model, initializers, layers, ops

    pixels, text = Input((8, 8, 1), name="pixels"), Input((1,), name="text", dtype="string")
    edges = layers.Conv2D(6, 3, activation="relu", kernel_initializer=initializers.RandomNormal(seed=3))(pixels)
    words = layers.TextVectorization(vocabulary=list(WORDS), output_mode="count")
    counted = layers.Reshape((len(WORDS) + 1,))(ops.cast(words(text), "float32"))
    return Model({"pixels": pixels, "text": text}, layers.Concatenate()([layers.Flatten()(edges), counted]))


def ten_classes() -> keras.Model:
    """A head of ten outputs."""
    from keras import Input, Sequential, initializers, layers

    return Sequential(
        [
            Input((6 * 36 + len(WORDS) + 1,)),
            layers.Dense(10, activation="softmax", kernel_initializer=initializers.RandomNormal(seed=3)),
        ]
    )


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """Base and head, as files."""
    folder = tmp_path_factory.mktemp("seeing")
    paths = folder / "base.keras", folder / "head.keras"
    models = images_and_texts(), ten_classes()
    return ModelFiles(*paths, *(save_model(model, path) for model, path in zip(models, paths, strict=True)))


def arrived(folder: Path, name: str, rows: int, *, turned: bool = False, words: Sequence[str] = WORDS) -> WindowFiles:
    """Images with a bright left side and texts of a few words, of four days."""
    random = np.random.default_rng(list(name.encode()))
    images = random.random((rows, 8, 8)).astype("float32")
    images[:, :, :3] += 1.0
    if turned:
        images = np.rot90(images, axes=(1, 2)).copy()
    frame = pl.DataFrame(
        {
            "at": [START + timedelta(minutes=place * 4 * 24 * 60 // rows) for place in range(rows)],
            "text": [" ".join(random.choice(words, 4)) for _ in range(rows)],
            "pixels": pl.Series(images.reshape(rows, 64), dtype=pl.Array(pl.Float32, 64)),
            "y": random.integers(0, 10, rows).astype(float),
            "holdout": random.random(rows) < 0.4,
        }
    )
    path = folder / f"{name}.parquet"
    frame.write_parquet(path)
    block = pl.col("at").dt.replace_time_zone(None).dt.truncate("1d")
    return WindowFiles(Rows((path,), Layout("at", block)), (PartitionFile(name, path),))


@pytest.fixture
def context(home: Settings, version: ModelFiles) -> Any:
    """Of a model whose champion is that version."""
    spec = SimpleNamespace(schema=SCHEMA, objective=Multiclass(10), drift=DriftPolicy(), name="m")
    registry = SimpleNamespace(version=lambda *_: SimpleNamespace(plan={}))
    known = {"registry": registry, "model_files": lambda _: version, "spec_of": lambda _: spec}
    return SimpleNamespace(spec=spec, settings=home, **known)


@pytest.fixture
def champion(version: ModelFiles) -> Any:
    """Its record."""
    base, head = (SimpleNamespace(digest=digest) for digest in (version.base_digest, version.head_digest))
    return SimpleNamespace(base=base, head=head)


def moved(sides: OutputSides, role: str) -> list[float]:
    """Kolmogorov and Smirnov's p-value of each column of a role."""
    names = [column.name for column in sides.columns if column.role == role]
    return [
        float(ks_2samp(*(side.values[n].to_numpy() for side in (sides.reference, sides.current))).pvalue) for n in names
    ]


def test_rotated_images_and_replaced_texts_are_seen(context: Any, champion: Any, tmp_path: Path) -> None:
    """By features, where no column that arrives says anything; the same images and texts again are not."""
    old = arrived(tmp_path, "old", 600)
    planted: dict[str, dict[str, Any]] = {"same": {}, "turned": {"turned": True}, "other words": {"words": OTHERS}}
    found = {}
    for name, how in planted.items():
        sides = output_sides(context, champion, (old, arrived(tmp_path, name, 300, **how)))
        assert len(sides.columns) == expected_columns(context) == CLASSES + 8
        found[name] = min(moved(sides, "feature")) * 8, min(moved(sides, "prediction")) * CLASSES
    assert found["same"][0] > 0.01
    assert found["turned"][0] < 1e-9
    assert found["other words"][0] < 1e-9
    assert found["turned"][1] < 1e-9


def test_the_reference_is_what_was_held_out_and_is_computed_once(
    context: Any, champion: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of rows that it learned from, a champion is surer; until a promotion, the reference stays as it is."""
    old, new = arrived(tmp_path, "old", 300), arrived(tmp_path, "new", 100)
    first = output_sides(context, champion, (old, new))
    assert first.reference.rows == pl.read_parquet(old.rows.files[0])["holdout"].sum()
    assert (first.current.rows, len(first.current.block)) == (100, 100)
    assert len(np.unique(first.current.block)) == 4
    monkeypatch.setattr("tasks.drift_outputs._reference", lambda *_, **__: pytest.fail("computed again"))
    again = output_sides(context, champion, (old, new))
    assert again.reference.values.equals(first.reference.values)
    assert again.current.values.equals(first.current.values)


def test_too_few_rows_are_an_error_that_says_which(context: Any, champion: Any, tmp_path: Path) -> None:
    """Forty rows of which sixteen or so are held out; five that arrived."""
    few, many, five = (arrived(tmp_path, f"{rows}", rows) for rows in (40, 300, 5))
    with pytest.raises(NotEnoughData, match=r"reference window of \d+ held-out rows"):
        output_sides(context, champion, (few, many))
    with pytest.raises(NotEnoughData, match="current window of 5 rows"):
        output_sides(context, champion, (many, five))
