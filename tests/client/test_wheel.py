"""The client as others install it: a wheel, in a program with packages of its own under our names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import a_service
import numpy as np
import polars as pl
import pytest

from db.artifacts import ArtifactStore
from db.records import NewVersion
from db.registry import open_registry
from learning.data import PartitionFile
from learning.prediction import predict
from learning.pretraining import pretrain
from settings import Settings
from tiny import TINY, build_head

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

CLIENT = Path(__file__).parents[2] / "client"
OURS = ("arrivals", "cli", "db", "demo", "evaluation", "flows", "learning", "models", "monitoring", "tasks")
ROWS = 1000


def build_base(sample: Columns) -> keras.Model:
    """A number and a category."""
    from keras import Input, Model, layers

    row = {"speed": Input((1,), name="speed"), "city": Input((1,), name="city", dtype="string")}
    scale = layers.Normalization()
    scale.adapt(sample["speed"])
    city = layers.Flatten()(layers.Embedding(3, 2)(layers.StringLookup(vocabulary=["A", "B"])(row["city"])))
    return Model(row, layers.Dense(16, activation="relu")(layers.Concatenate()([scale(row["speed"]), city])))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client's wheel installed, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(CLIENT, folder / "source", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    alone = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *alone, "--no-build-isolation", "-w", folder, source], check=True)
    (built,) = folder.glob("evergreen_client-*.whl")
    zipfile.ZipFile(built).extractall(folder / "installed")  # to install a wheel of Python alone is just that
    return folder / "installed"


def serve(folder: Path, wheel: Path, rows: dict[str, list[object]]) -> subprocess.CompletedProcess[str]:
    """Run a service in a folder with files and packages under all of our names, none of which may be imported."""
    folder.mkdir()
    forbidden = "raise AssertionError(f'{__name__} of the service was imported')"
    for name in OURS:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(forbidden)
    for name in ("settings", "errors"):
        (folder / f"{name}.py").write_text(forbidden)
    (folder / "rows.json").write_text(json.dumps(rows))
    shutil.copy(a_service.__file__, folder / "service.py")
    libraries = sysconfig.get_path("purelib")
    # -S: the lines in site-packages that lead to this checkout are not followed
    return subprocess.run(
        [sys.executable, "-S", "service.py", "rows.json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{wheel}{os.pathsep}{libraries}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_service_serves_what_evergreen_predicts(home: Settings, tmp_path: Path, wheel: Path) -> None:
    """Bit for bit, from two threads; and its process stays as it was."""
    draw = np.random.default_rng(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "at": [start + timedelta(minutes=minute) for minute in range(ROWS)],
            "id": [str(number) for number in range(ROWS)],
            "speed": draw.normal(size=ROWS),
            "city": draw.choice(["A", "B", "C"], ROWS),
            "late": draw.integers(0, 2, ROWS).astype(float),
            "holdout": [False] * ROWS,
        }
    )
    partition = PartitionFile("rows", tmp_path / "rows.parquet")
    frame.write_parquet(partition.path)
    spec = replace(TINY, build_base=build_base, build_head=build_head)
    files = pretrain(spec, [partition], work=tmp_path / "work").files
    store = ArtifactStore(home.artifact_root, home.cache)
    base = store.put(files.base, kind="base", digest=files.base_digest)
    head = store.put(files.head, kind="head", digest=files.head_digest)
    with open_registry(home.database_url) as registry:
        registry.add_model("tiny")
        registry.register(NewVersion("tiny", None, None, base=base, head=head))
        registry.promote("tiny", 1, seen=0, kind="bootstrap", actor="test", reason="the first one")
    expected = predict(spec, files, [partition], split="all", cache=tmp_path / "features").prediction

    done = serve(tmp_path / "service", wheel, {name: frame[name].to_list() for name in ("speed", "city")})

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["answers"] == [expected.tobytes().hex()]
    assert (answer["number"], answer["reason"]) == (1, "the first one")
    assert Path(answer["file"]).is_relative_to(wheel)
    assert [line for line in done.stderr.splitlines() if line.startswith("line ")] == [
        f"line {number}" for number in range(a_service.LINES)
    ]


def test_what_a_service_may_import_is_listed(wheel: Path) -> None:
    """The wheel brings its types and one package; its names are those of `__all__`."""
    import evergreen_client

    assert sorted(path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")) == ["evergreen_client"]
    assert (wheel / "evergreen_client" / "py.typed").exists()
    public = {name for name, value in vars(evergreen_client).items() if callable(value) and not name.startswith("_")}
    assert public == set(evergreen_client.__all__)
