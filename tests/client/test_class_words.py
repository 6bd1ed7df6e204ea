"""A service that gets words: the classes of the champion, as they were recorded with its version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from arriving import new_registry
from filled import MODEL

from db.artifacts import ArtifactStore
from db.records import NewVersion
from db.registry import ModelRegistry
from errors import SchemaMismatch
from evergreen_client import load_champion
from learning.files import save_model
from learning.multi_output import MultiOutput, Output
from learning.objectives import Binary, Multiclass, Objective
from learning.work_folder import plan_of
from settings import Settings


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """The registry that the settings name, with a model that has no version."""
    with new_registry(home.home / "registry.db") as opened:
        opened.add_model(MODEL)
        yield opened


def publish(home: Settings, registry: ModelRegistry, objective: Objective, inputs: int, **plan: Any) -> None:
    """Register and promote a version whose outputs are its inputs."""
    from keras import Input, Model, Sequential, layers

    store, row = ArtifactStore(home.artifact_root, home.cache), Input((inputs,), name="chance")
    parts = {
        "base": Model({"chance": row}, layers.Rescaling(1.0)(row)),
        "head": Sequential([Input((inputs,)), layers.Rescaling(1.0)]),
    }
    stored: dict[str, Any] = {}
    for kind, part in parts.items():
        path = home.home / f"{kind}.keras"
        stored[kind] = store.put(path, kind=kind, digest=save_model(part, path))
    registry.register(
        NewVersion(MODEL, None, None, **stored, plan={"made_for": {"objective": plan_of(objective)}} | plan)
    )
    registry.promote(MODEL, 1, seen=0, kind="promote", actor="test", reason="first")


def test_the_likeliest_class_has_its_word(home: Settings, registry: ModelRegistry) -> None:
    """Of several classes the largest output; a row without a prediction has no class."""
    publish(home, registry, Multiclass(classes=("cat", "dog", "bird")), inputs=3)
    with load_champion(MODEL) as champion:
        assert champion.classes == ("cat", "dog", "bird")
        named = champion.predict_classes({"chance": [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [np.nan, 0.5, 0.5]]})
    assert named.tolist() == ["bird", "cat", None]


def test_of_two_classes_the_second_is_the_event(home: Settings, registry: ModelRegistry) -> None:
    """Its chance is the one output."""
    publish(home, registry, Binary(classes=("no", "yes")), inputs=1)
    with load_champion(MODEL) as champion:
        assert champion.threshold == 0.5
        assert champion.predict_classes({"chance": [0.2, 0.9]}).tolist() == ["no", "yes"]


def test_of_two_classes_costs_say_from_which_chance_on(home: Settings, registry: ModelRegistry) -> None:
    """The threshold that is recorded with the version, where its model has costs."""
    publish(home, registry, Binary(classes=("no", "yes")), inputs=1, threshold={"at": 0.15, "matrix": [[0, 1], [5, 0]]})
    with load_champion(MODEL) as champion:
        assert champion.threshold == 0.15
        assert champion.predict_classes({"chance": [0.1, 0.2]}).tolist() == ["no", "yes"]


def test_several_outputs_come_by_their_names(home: Settings, registry: ModelRegistry) -> None:
    """Each as wide as its objective says; of one output there is no name, and of several there are no words of all."""
    both = Output("late", Binary(), "late"), Output("mode", Multiclass(classes=("bus", "tram")), "mode")
    publish(home, registry, MultiOutput((*both, Output("hour", Multiclass(4), "hour"))), inputs=7)
    with load_champion(MODEL) as champion:
        row = [[0.2, 0.6, 0.4, 0.1, 0.2, 0.3, 0.4]]
        told = champion.predict_outputs({"chance": row})
        assert champion.outputs == ("late", "mode", "hour")
        assert [(name, part.shape) for name, part in told.items()] == [
            ("late", (1, 1)),
            ("mode", (1, 2)),
            ("hour", (1, 4)),
        ]
        np.testing.assert_array_equal(np.hstack(list(told.values())), champion.predict({"chance": row}))
        with pytest.raises(SchemaMismatch, match=r"several outputs.*predict_outputs\(\)"):
            champion.predict_classes({"chance": row})


@pytest.mark.parametrize("objective", [Binary(), Multiclass(3)])
def test_classes_without_words_are_refused(objective: Objective, home: Settings, registry: ModelRegistry) -> None:
    """There is nothing to give; chances are there as ever."""
    publish(home, registry, objective, inputs=1)
    with load_champion(MODEL) as champion:
        assert champion.classes == ()
        assert champion.predict({"chance": [0.5]}).tolist() == [[0.5]]
        with pytest.raises(SchemaMismatch, match="no words"):
            champion.predict_classes({"chance": [0.5]})
