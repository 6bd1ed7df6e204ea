"""A look into a `.keras` file without Keras: would loading it run code of its own?"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from errors import ArtifactCorrupt, UnsafeModel

UNSAFE = {
    "Lambda": "a Lambda layer is Python code inside the model file",
    "__lambda__": "a lambda is Python code inside the model file",
    "TFSMLayer": "a TFSMLayer runs whatever graph lies at a path of its own",
}


def refuse_unsafe(path: Path) -> None:
    """Refuse a model that Keras would not load in safe mode, at registration instead of in production.

    Raises:
        ArtifactCorrupt: it is no `.keras` file.
        UnsafeModel: it would run arbitrary code when loaded.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise ArtifactCorrupt(f"file {path}", f"it is no .keras file ({error})", "save the model again") from error
    for name in class_names(config):
        if name in UNSAFE:
            raise UnsafeModel(
                f"model file {path}",
                UNSAFE[name],
                "write it as a layer class registered with keras.saving.register_keras_serializable",
            )


def class_names(config: Any) -> Iterator[str]:
    """Every class that a Keras config mentions, however deeply nested."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        for part in config.values():
            yield from class_names(part)
    elif isinstance(config, list):
        for part in config:
            yield from class_names(part)
