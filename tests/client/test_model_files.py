"""Model files from disk: nothing that they bring is run, and what they lack is named."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import keras
import pytest

from errors import ArtifactCorrupt, UnknownLayer, UnsafeModel
from evergreen_client.model_files import load_model, load_model_of

LAYER = """
import keras

@keras.saving.register_keras_serializable(package="test_{name}")
class Twice(keras.layers.Layer):
    def call(self, rows):
        return 2 * rows
"""


def saved(path: Path, *layers: keras.Layer) -> Path:
    """Save a model of these layers."""
    keras.Sequential([keras.Input((1,)), *layers]).save(path)
    return path


def tampered(path: Path, layer: dict[str, object]) -> Path:
    """Save a model, and put another layer's config in place of its own."""
    with zipfile.ZipFile(saved(path, keras.layers.Dense(1))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1] |= {"registered_name": None} | layer
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in (parts | {"config.json": json.dumps(config).encode()}).items():
            archive.writestr(name, part)
    return path


def saved_elsewhere(tmp_path: Path, name: str) -> tuple[Path, Path]:
    """A model with a layer of its own file NAME.py, of which this process knows nothing any more; file and model."""
    source = tmp_path / f"{name}.py"
    source.write_text(LAYER.format(name=name))
    known, module = dict(keras.saving.get_custom_objects()), ModuleType(name)
    exec(source.read_text(), vars(module))  # noqa: S102 - it is the text above
    path = saved(tmp_path / "model.keras", module.Twice())
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(known)
    return source, path


@pytest.mark.parametrize(
    "layer",
    [
        {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}},
        {"config": {"units": 1, "activation": {"class_name": "__lambda__", "config": {"value": "4wEA"}}}},
        {"class_name": "TFSMLayer", "config": {"filepath": "somewhere"}},
        {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
    ],
)
def test_a_model_with_code_inside_is_refused(tmp_path: Path, layer: dict[str, object]) -> None:
    """Whichever way the code hides, and also if it is a file that the model wants to read."""
    with pytest.raises(UnsafeModel, match=r"Requested the .*register_keras_serializable"):
        load_model(tampered(tmp_path / "model.keras", layer))


def test_a_lambda_that_somebody_saved_is_refused(tmp_path: Path) -> None:
    """Saving one works, so it is found when it is loaded, before it is trained or served."""
    path = saved(tmp_path / "model.keras", keras.layers.Lambda(lambda rows: rows + 1))
    with pytest.raises(UnsafeModel, match="`Lambda` layer"):
        load_model(path)


def test_a_harmless_model_is_loaded(tmp_path: Path) -> None:
    """A name like Lambda is no Lambda layer."""
    path = saved(tmp_path / "model.keras", keras.layers.Dense(1, name="Lambda"))
    assert load_model(path).layers[0].name == "Lambda"


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 half a zip"])
def test_a_keras_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """The error says so."""
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ArtifactCorrupt, match=r"no \.keras file"):
        load_model(path)


def test_a_layer_of_the_users_own_comes_from_the_models_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is run once, and takes no name that the program may want."""
    _, path = saved_elsewhere(tmp_path, "doubling")
    monkeypatch.setenv("EVERGREEN_MODELS", f"{tmp_path / 'nowhere'}:{tmp_path}")
    for _ in range(2):
        assert load_model_of("doubling", path)(keras.ops.ones((1, 1))).numpy() == 2
    assert "doubling" not in sys.modules


def test_a_layer_that_nobody_defines_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is what to do; a folder `models/` of the program's own is not touched."""
    _, path = saved_elsewhere(tmp_path, "missing")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "missing.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVERGREEN_MODELS")
    with pytest.raises(UnknownLayer, match=r"class 'Twice'.*EVERGREEN_MODELS"):
        load_model_of("missing", path)


def test_a_models_file_that_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may import what a service does not have."""
    source, path = saved_elsewhere(tmp_path, "needy")
    source.write_text("import learning.nothing")
    monkeypatch.setenv("EVERGREEN_MODELS", str(tmp_path))
    with pytest.raises(UnknownLayer, match=r"'Twice'.*needy.py cannot be run here.*learning.*evergreen-retraining"):
        load_model_of("needy", path)
    assert "_evergreen_model_needy" not in sys.modules
