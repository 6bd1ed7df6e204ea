"""The champion inside a service: loaded once, refreshed cheaply, never loaded unverified."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from db.artifacts import ArtifactStore
from db.registry import ModelRegistry, open_registry
from db.serving import ServedVersion, fetch_champion
from errors import UnknownModel
from learning.catalog import load_spec
from learning.serving import Predictor
from settings import get_settings

if TYPE_CHECKING:
    import keras


def load_champion(model: str) -> Champion:
    """Load a model's champion from the registry and artifact root that the settings name.

    Example:
        >>> champion = load_champion("flights")  # doctest: +SKIP
        >>> champion.number, champion.predict({"distance": [2475.0], "carrier": ["AA"]})  # doctest: +SKIP
        (12, array([[0.31]], dtype=float32))
        >>> champion.refresh()  # every minute or so  # doctest: +SKIP
        False
    """
    with suppress(UnknownModel):  # its file registers the layers that it made itself, if it did
        load_spec(model, get_settings().model_folders)
    settings = get_settings()
    store = ArtifactStore(settings.artifact_root, settings.cache)
    registry = open_registry(settings.database_url)
    try:
        return Champion(model, registry, store)
    except BaseException:
        registry.close()
        raise


class Champion:
    """A model's champion. Safe to use from many threads while one of them refreshes it.

    Args:
        model: name of the model.
        registry: who is champion; closed with this object.
        store: where its files are.

    Raises:
        NoChampion: nothing was promoted yet.
        ArtifactError: a file is gone or damaged.
    """

    def __init__(self, model: str, registry: ModelRegistry, store: ArtifactStore) -> None:
        self.model, self._registry, self._store = model, registry, store
        self._loaded = self._load(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the registry's connections back."""
        self._registry.close()

    @property
    def number(self) -> int:
        """The version that answers now."""
        return self._loaded[0].version.number

    def predict(self, columns: Mapping[str, Any]) -> NDArray[np.float32]:
        """Predictions for some rows, shape (rows, outputs), from raw columns as they arrive in files."""
        return self._loaded[1](columns)

    def refresh(self) -> bool:
        """Look for a new champion and load what of it is new; returns whether another version answers now.

        Costs one query while nothing changed, and one small file when only the head did. If the new champion
        cannot be loaded, the old one goes on answering and the error is raised.
        """
        before = self._loaded
        self._loaded = self._load(before)
        return self._loaded is not before

    def _load(self, known: tuple[ServedVersion, Predictor] | None) -> tuple[ServedVersion, Predictor]:
        files = fetch_champion(self._registry, self._store, self.model, known[0] if known else None)
        if known and files is known[0]:
            return known
        base = known[1].base if known and files.same_base(known[0]) else _load_file(files.base)
        head = known[1].head if known and files.same_head(known[0]) else _load_file(files.head)
        return files, Predictor(base, head)


def _load_file(path: Path) -> keras.Model:
    from learning.files import load_model

    return load_model(path)
