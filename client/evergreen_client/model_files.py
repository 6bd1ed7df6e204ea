"""A `.keras` file becomes a model: in Keras' safe mode, and with layers that the user wrote."""

from __future__ import annotations

import os
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING
from zipfile import is_zipfile

from evergreen_client.errors import ArtifactCorrupt, ArtifactMissing, UnknownLayer, UnsafeModel

if TYPE_CHECKING:
    import keras

REFUSED = re.compile(r"Requested the [^.]*")  # how each refusal of safe mode begins
UNKNOWN = re.compile(r"Could not locate (?:class|function) '([^']*)'")
REGISTERED = "with @keras.saving.register_keras_serializable()"

_running = Lock()


def load_model(path: Path) -> keras.Model:
    """A `.keras` file as a model, without its optimizer, and without running code that the file brings.

    Raises:
        UnsafeModel: it would run code, or read files that it names.
        UnknownLayer: nobody registered one of its classes with Keras.
        ArtifactCorrupt: it is no `.keras` file.
    """
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if not path.exists():
            why = "it is not there any more"
            raise ArtifactMissing(f"model file {path}", why, "run again, so that it is fetched anew") from error
        if refused := REFUSED.search(str(error)):
            raise UnsafeModel(
                f"model file {path}",
                f"Keras does not load it: {refused[0]}, which may run code of the file's own",
                f"write it as a layer class, registered {REGISTERED}",
            ) from error
        if unknown := UNKNOWN.search(str(error)):
            raise UnknownLayer(
                f"model file {path}",
                f"Keras does not know its class '{unknown[1]}'",
                f"import the module that defines the class {REGISTERED} before you load the model, or set "
                "EVERGREEN_MODELS to the folder of the model's file NAME.py",
            ) from error
        if not is_zipfile(path):
            raise ArtifactCorrupt(
                f"model file {path}", "it is no .keras file, or not whole", "save the model again, or copy it again"
            ) from error
        raise


def load_model_of(name: str, path: Path) -> keras.Model:
    """The same; if Keras does not know a layer, the model's own file NAME.py is run first, as it may define it.

    The file is looked for in the folders of EVERGREEN_MODELS, and nowhere if that is not set: a program's own
    folder `models/` may be anything.

    Raises:
        UnsafeModel: it would run code, or read files that it names.
        UnknownLayer: no such file defines the layer, or the file cannot be run here.
    """
    try:
        return load_model(path)
    except UnknownLayer as unknown:
        folders = [Path(folder) for folder in os.environ.get("EVERGREEN_MODELS", "").split(os.pathsep) if folder]
        files = [file for folder in folders if (file := folder.expanduser() / f"{name}.py").is_file()]
        if not files:
            raise
        _run(files[0].absolute(), unknown)
    return load_model(path)


def _run(file: Path, unknown: UnknownLayer) -> None:
    """Run a model's file once a process, under a private name: it replaces no module of the program."""
    name = f"_evergreen_model_{file.stem}"
    with _running:
        if name in sys.modules:
            return
        module = sys.modules[name] = ModuleType(name)
        module.__file__ = str(file)
        try:
            SourceFileLoader(name, str(file)).exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise UnknownLayer(
                unknown.received,
                f"{unknown.why}, and {file} cannot be run here ({type(error).__name__}: {error})",
                "install evergreen-retraining too, if it is `learning` that is missing, as model files import it; or "
                f"define the class in a module of its own, {REGISTERED}, and import that before you load the model",
            ) from error
