"""A fresh process answers as a service would; what stands in its way is a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import keras
import numpy as np
import pytest

from db.artifacts import ArtifactStore
from learning.data import PartitionFile, read_inputs
from learning.files import Trained, save_model
from learning.fresh_service import FreshService, Production, Question, _in_production, answered, written
from learning.prediction import PROBE_ROWS, Predictions, predict, probe
from learning.spec import ModelSpec
from settings import Settings


@keras.saving.register_keras_serializable("fresh_service")
class Waiting(keras.layers.Layer):
    """A layer that takes its time."""

    def call(self, rows: Any) -> Any:
        """Nothing changes, a tenth of a second later."""
        import tensorflow as tf

        later = tf.py_function(lambda same: sleep(0.1) or same, [rows], rows.dtype)
        later.set_shape(rows.shape)
        return later


@pytest.fixture
def found(spec: ModelSpec, champion: Trained, history: tuple[PartitionFile, ...], tmp_path: Path) -> Predictions:
    """What version 1 says of all rows of the history."""
    return predict(spec, champion.files, history, split="all", cache=tmp_path / "features")


@pytest.fixture
def question(
    spec: ModelSpec, champion: Trained, history: tuple[PartitionFile, ...], home: Settings, found: Predictions
) -> Question:
    """Version 1, stored, and some rows of the history."""
    store = ArtifactStore(home.artifact_root, home.cache)
    files = champion.files
    base = store.put(files.base, kind="base", digest=files.base_digest)
    head = store.put(files.head, kind="head", digest=files.head_digest)
    columns = {name: values.tolist() for name, values in probe(spec.schema, found, history)[0].items()}
    return Question("small", 1, base, head, home.artifact_root, str(home.cache), columns)


def test_a_probe_is_of_the_rows_that_were_predicted(
    spec: ModelSpec, history: tuple[PartitionFile, ...], found: Predictions
) -> None:
    """Inputs and predictions belong together, over several partitions; few rows of many, at least one."""
    columns, recorded = probe(spec.schema, found, history)
    whole = np.concatenate([read_inputs(spec.schema, one)["a"] for one in history])
    assert np.array_equal(columns["a"], whole)
    assert np.array_equal(recorded, found.prediction)
    times = 50
    many = replace(
        found,
        target=np.tile(found.target, times),
        prediction=np.tile(found.prediction, (times, 1)),
        partition=np.repeat([0, 1], 8 * times),
        rows=np.tile(np.arange(8).repeat(times), 2),
    )
    assert len(probe(spec.schema, many, history)[1]) in range(PROBE_ROWS // 2, PROBE_ROWS + 1)


@pytest.mark.slow
def test_a_fresh_process_says_the_same(question: Question, found: Predictions) -> None:
    """Of one that lacks a layer, tests/flows/test_promotion.py tells."""
    with FreshService([]) as service:
        service.ask(question)
        same = service.answer()
    assert same.error == ""
    np.testing.assert_allclose(same.predictions, found.prediction, rtol=1e-5)


def test_a_process_that_nobody_asks_ends_with_its_block() -> None:
    """And one that dies says so."""
    with FreshService([]) as service:
        pass
    assert service._process.returncode is not None
    with FreshService([]) as service:
        service._process.kill()
        service._told = service._thread.submit(service._process.communicate)
        assert "ended with code -9" in service.answer().error


def test_a_damaged_file_is_a_sentence(question: Question, home: Settings) -> None:
    """As a service has it: the file's bytes are not those that were registered."""
    path = Path(home.artifact_root) / question.head.uri
    path.write_bytes(path.read_bytes()[:-7])
    said = answered(written(question))
    assert "SHA-256" in said.error
    assert said.predictions == []
    path.unlink()
    assert "it is not under" in answered(written(question)).error


def test_another_signature_is_a_sentence(question: Question, home: Settings) -> None:
    """A base that takes another column, and a head that takes other features."""
    store = ArtifactStore(home.artifact_root, home.cache)
    rows = keras.Input((1,), name="weight")
    other = {
        "base": keras.Model({"weight": rows}, keras.layers.Dense(4)(rows)),
        "head": keras.Sequential([keras.Input((7,)), keras.layers.Dense(1)]),
    }
    for part, why in (("base", "the model also takes weight"), ("head", "ValueError: ")):
        path = home.home / f"{part}.keras"
        stored = store.put(path, kind=part, digest=save_model(other[part], path))
        said = answered(written(replace(question, **{part: stored}))).error
        assert why in said


@pytest.mark.slow
def test_versions_of_other_layers_are_timed_in_turns(question: Question, home: Settings) -> None:
    """A champion that is gone is no fault of the version."""
    path = home.home / "head.keras"
    head = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), Waiting(), keras.layers.Dense(1)])
    digest = save_model(head, path)
    slow = ArtifactStore(home.artifact_root, home.cache).put(path, kind="head", digest=digest)
    champion = question.base, question.head
    said = answered(written(replace(question, head=slow, champion=champion)))
    assert said.seconds is not None
    assert said.seconds[0] > 0.1 > said.seconds[1] > 0
    (Path(home.artifact_root) / champion[1].uri).unlink()
    said = answered(written(replace(question, head=slow, champion=champion)))
    assert (said.error, said.seconds) == ("", None)
    assert said.predictions


def test_a_version_of_the_same_layers_takes_the_same_time(
    question: Question, champion: Trained, home: Settings
) -> None:
    """Training changed its weights, how it was compiled and what of it may learn."""
    store, stored = ArtifactStore(home.artifact_root, home.cache), {}
    for part in ("base", "head"):
        model, path = keras.models.load_model(getattr(champion.files, part)), home.home / f"{part}.keras"
        model.set_weights([weight + 1 for weight in model.get_weights()])
        model.layers[-1].trainable = False
        model.compile("adam", "mse")
        stored[part] = store.put(path, kind=part, digest=save_model(model, path))
    tuned = replace(question, **stored, champion=(question.base, question.head))
    said = answered(written(tuned))
    assert (said.error, said.seconds) == ("", None)


def test_a_process_that_has_loaded_the_champion_answers_the_same_and_reads_every_file_again(
    question: Question, found: Predictions, home: Settings
) -> None:
    """Of a new head on a base that it knows, it loads the head; a base that was damaged since is found out."""
    store, place = ArtifactStore(home.artifact_root, home.cache), (home.artifact_root, str(home.cache))
    other, path = keras.models.load_model(Path(home.artifact_root) / question.head.uri), home.home / "head.keras"
    other.set_weights([weight * 0 for weight in other.get_weights()])
    champion = Production(
        "small", (question.base, store.put(path, kind="head", digest=save_model(other, path))), *place
    )
    known = _in_production(json.loads(written(champion)))
    assert known is not None
    said = answered(written(question), known)
    assert said.error == ""
    np.testing.assert_allclose(said.predictions, found.prediction, rtol=1e-5)
    base = Path(home.artifact_root) / question.base.uri
    base.write_bytes(base.read_bytes()[:-7])
    assert "SHA-256" in answered(written(question), known).error
    assert _in_production(json.loads(written(champion))) is None
