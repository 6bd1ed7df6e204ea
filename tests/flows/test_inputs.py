"""The example models of docs/examples, each on data of its kind, from landing to a champion that is asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits, load_iris

from db.registry import open_registry
from evergreen_client import load_champion
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from settings import Settings, get_settings

DAY = 86_400
FIRST = 1_700_000_000


@pytest.fixture
def landing(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The landing folder, of the models in docs/examples."""
    monkeypatch.setenv("EVERGREEN_MODELS", str(Path(__file__).parents[2] / "docs" / "examples"))
    get_settings.cache_clear()
    return Path(home.landing)


def land(folder: Path, name: str, rows: pl.DataFrame, day: int = 0) -> None:
    """Land rows as a CSV file that was written on a day."""
    folder.mkdir(parents=True, exist_ok=True)
    rows.write_csv(folder / name)
    os.utime(folder / name, (FIRST + day * DAY,) * 2)


def reviews() -> pl.DataFrame:
    """Two hundred short texts whose words say what their writer thought; every twentieth has none."""
    random = np.random.default_rng(1)
    words = {"good": ("lovely", "great", "warm", "again"), "bad": ("cold", "rude", "never", "awful")}
    verdicts = random.choice(["good", "bad"], 200)
    texts = [
        " ".join(["we", *random.choice(words[verdict], 4), f"no {place}"]) for place, verdict in enumerate(verdicts)
    ]
    return pl.DataFrame(
        {
            "written_at": [f"2024-03-{1 + place // 20:02}T10:00:00Z" for place in range(200)],
            "review_id": [f"r{place}" for place in range(200)],
            "stars_before": random.integers(1, 6, 200).astype(float),
            "review": [None if place % 20 == 0 else text for place, text in enumerate(texts)],
            "verdict": verdicts,
        }
    )


def flowers() -> pl.DataFrame:
    """Fisher's irises, in an order that no file's species depend on."""
    found = load_iris()
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    rows = pl.DataFrame(found.data, schema=list(names)).with_columns(
        flower=pl.int_range(150).cast(pl.String), species=pl.Series(found.target_names[found.target])
    )
    return rows[np.random.default_rng(0).permutation(150)]


def draw_digits(folder: Path, number: int) -> pl.DataFrame:
    """Handwritten digits as PNG files, and a table of their paths."""
    import tensorflow as tf

    found, shown = load_digits(), folder / "digits"
    shown.mkdir(parents=True)
    for place in range(number):
        grey = (found.images[place] * 255 / 16).astype("uint8")[..., None]
        (shown / f"{place}.png").write_bytes(tf.io.encode_png(grey).numpy())
    return pl.DataFrame(
        {
            "taken_at": [f"2024-03-{1 + place // 50:02}" for place in range(number)],
            "picture_id": [f"p{place}" for place in range(number)],
            "picture": [f"digits/{place}.png" for place in range(number)],
            "digit": found.target[:number],
        }
    )


@pytest.mark.slow
def test_pictures_beside_a_table_are_learned(landing: Path, home: Settings) -> None:
    """Better than chance by far; the row whose picture is not there is refused, and the run goes on without it."""
    folder = landing / "pictures"
    rows = draw_digits(folder, 400)
    (folder / "digits" / "7.png").unlink()
    land(folder, "a.csv", rows)
    assert bootstrap("pictures") == "promoted"
    shutil.rmtree(folder / "digits")

    registry = open_registry(home.database_url)
    assert sum(partition.rows for partition in registry.partitions("pictures")) == 399
    asked = (load_digits().images[400:600] * 255 / 16).astype("uint8")[..., None]
    with load_champion("pictures", database_url=home.database_url, artifact_root=home.artifact_root) as champion:
        answers = champion.predict({"picture": asked}).argmax(axis=1)
    assert np.mean(answers == load_digits().target[400:600]) > 0.7


@pytest.mark.slow
def test_reviews_are_judged_by_their_words(landing: Path, home: Settings) -> None:
    """A text that nobody has seen, of words that were: and one that is missing is answered, too."""
    land(landing / "reviews", "a.csv", reviews())
    assert bootstrap("reviews") == "promoted"
    with load_champion("reviews", database_url=home.database_url, artifact_root=home.artifact_root) as champion:
        asked = ["we: lovely, warm, GREAT and great", "we were cold, never so awful", None]
        assert champion.predict_classes({"review": asked, "stars_before": [3, 3, 3]})[:2].tolist() == ["good", "bad"]


@pytest.mark.slow
def test_irises_without_a_time_are_told_apart_by_name(landing: Path, home: Settings) -> None:
    """Each file is a block; verdicts and a service speak of species."""
    rows = flowers()
    for place in range(3):
        land(landing / "iris", f"{place}.csv", rows[place * 30 : place * 30 + 30], day=place)
    assert bootstrap("iris") == "promoted"
    for place in (3, 4):
        land(landing / "iris", f"{place}.csv", rows[place * 30 : place * 30 + 30], day=place)
    retrain("iris")

    registry = open_registry(home.database_url)
    blocks = registry.block_losses("iris", [1])
    assert len({block.block for block in blocks}) == 2  # of the files that arrived since
    (judged,) = registry.evaluations("iris", 1)
    assert {"species=setosa", "species=virginica"} <= {figure.slice for figure in judged.metrics}
    with load_champion("iris", database_url=home.database_url, artifact_root=home.artifact_root) as champion:
        named = champion.predict_classes({name: rows[name].to_list() for name in rows.columns})
    assert np.mean(named == rows["species"].to_numpy()) > 0.9
