"""The champion inside a service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from arriving import new_registry
from filled import MODEL

from db.artifacts import ArtifactStore
from db.records import NewVersion
from db.registry import ModelRegistry
from errors import ArtifactCorrupt, NoChampion, SchemaMismatch
from evergreen_client import champion as serving
from evergreen_client import load_champion
from evergreen_client.columns import as_text
from learning.files import save_model
from settings import Settings


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """The registry that the settings name, with a model that has no version."""
    with new_registry(home.home / "registry.db") as opened:
        opened.add_model(MODEL)
        yield opened


def publish(home: Settings, registry: ModelRegistry, scale: float, shift: float) -> None:
    """Register and promote the version `speed * scale + shift`, whose base scales and whose head shifts."""
    from keras import Input, Model, Sequential, layers

    store = ArtifactStore(home.artifact_root, home.cache)
    row = {"speed": Input((1,), name="speed"), "city": Input((1,), name="city", dtype="string")}
    parts = {
        "base": Model(row, layers.Rescaling(scale)(row["speed"])),
        "head": Sequential([Input((1,)), layers.Rescaling(1.0, shift)]),
    }
    stored = {}
    for kind, part in parts.items():
        path = home.home / f"{kind}.keras"
        stored[kind] = store.put(path, kind=kind, digest=save_model(part, path))
    version = registry.register(NewVersion(MODEL, None, None, **stored))
    seen = registry.sequence(MODEL)
    registry.promote(MODEL, version.number, seen=seen, kind="promote", actor="test", reason="newer")


def test_the_champion_answers_from_raw_columns(home: Settings, registry: ModelRegistry) -> None:
    """Plain lists, by column name; columns that the model does not take do no harm."""
    publish(home, registry, scale=2.0, shift=1.0)
    with load_champion(MODEL) as champion:
        answer = champion.predict({"speed": [1.0, 5.0], "city": ["Oslo", "Rome"], "late": [0, 1]})
    np.testing.assert_allclose(answer, [[3.0], [11.0]])
    assert champion.number == 1
    assert champion.reason == "newer"


def test_refresh_loads_only_what_changed(
    home: Settings, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new head on the same base costs one small file; nothing new costs none."""
    publish(home, registry, scale=2.0, shift=1.0)
    loaded: list[str] = []
    load = serving.load_model_of
    monkeypatch.setattr(serving, "load_model_of", lambda name, path: loaded.append(path.parts[-3]) or load(name, path))
    with load_champion(MODEL) as champion:
        assert loaded == ["base", "head"]
        assert not champion.refresh()
        publish(home, registry, scale=2.0, shift=5.0)
        assert champion.refresh()
        assert loaded == ["base", "head", "head"]
        assert champion.number == 2
        np.testing.assert_allclose(champion.predict({"speed": [1.0], "city": ["Oslo"]}), [[7.0]])
        registry.rollback(MODEL, actor="test", reason="back")
        assert champion.refresh()
        np.testing.assert_allclose(champion.predict({"speed": [1.0], "city": ["Oslo"]}), [[3.0]])


def test_a_damaged_champion_is_not_loaded(home: Settings, registry: ModelRegistry) -> None:
    """The error names the version, and the old one goes on answering."""
    publish(home, registry, scale=2.0, shift=1.0)
    with load_champion(MODEL) as champion:
        publish(home, registry, scale=2.0, shift=5.0)
        head = Path(home.artifact_root, registry.champion(MODEL).head.uri)
        head.write_bytes(head.read_bytes()[:-1])
        with pytest.raises(ArtifactCorrupt, match="version 2 of model 'flights'"):
            champion.refresh()
        np.testing.assert_allclose(champion.predict({"speed": [1.0], "city": ["Oslo"]}), [[3.0]])


def test_without_a_champion_there_is_nothing_to_serve(registry: ModelRegistry) -> None:
    """The error names the command that makes one."""
    with pytest.raises(NoChampion, match="evergreen bootstrap"):
        load_champion(MODEL)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"city": ["Oslo"]}, "also takes speed"),
        ({}, "also takes city, speed"),
        ({"speed": [1.0] * 8, "city": ["Oslo"] * 100}, "100 of city, 8 of speed: they are not of the same rows"),
        ({"speed": [[1.0, 2.0]], "city": ["Oslo"]}, "column 'speed': .*cannot reshape"),
        (
            {"speed": ["fast"], "city": ["Oslo"]},
            r"column 'speed': .*could not convert [^']* give one value of float32 a row",
        ),
    ],
)
def test_rows_the_model_cannot_take_are_refused(
    home: Settings, registry: ModelRegistry, columns: dict[str, list[object]], why: str
) -> None:
    """A service's client reads which column is wrong, and what belongs there."""
    publish(home, registry, scale=2.0, shift=1.0)
    with load_champion(MODEL) as champion, pytest.raises(SchemaMismatch, match=why):
        champion.predict(columns)


def test_categories_are_read_as_they_were_trained_on() -> None:
    """What is missing is empty, numbers and flags are written out."""
    assert as_text(["Oslo", None, float("nan"), 3, 3.0, np.float32(0.1), 1e-7, -0.0, True, np.bool_(0)]).tolist() == [
        "Oslo",
        "",
        "",
        "3",
        "3",
        "0.1",
        "0.0000001",
        "0",
        "true",
        "false",
    ]
