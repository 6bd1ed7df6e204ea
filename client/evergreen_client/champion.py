"""The champion inside a service: loaded once, refreshed cheaply, never loaded unverified."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from evergreen_client.artifacts import ArtifactRoot, StoredArtifact
from evergreen_client.batches import in_batches, traced
from evergreen_client.errors import SchemaMismatch
from evergreen_client.model_files import load_model_of

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from evergreen_client.batches import Forward
    from evergreen_client.registry import ChampionRecord, RegistryReader


def load_champion(
    model: str, *, database_url: str | None = None, artifact_root: str | None = None, cache: Path | None = None
) -> Champion:
    """Load a model's champion, verified.

    Args:
        model: its name.
        database_url: the registry; by default EVERGREEN_DATABASE_URL, or the SQLite file in EVERGREEN_HOME.
        artifact_root: folder or fsspec URL of the stored files; by default EVERGREEN_ARTIFACT_ROOT, or a folder in
            EVERGREEN_HOME.
        cache: local folder for files of a remote root; by default in EVERGREEN_HOME, which is `.evergreen` if not set.

    Raises:
        NoChampion: nothing was promoted yet.
        RegistryError: the registry cannot be read.
        ArtifactError: a file is gone or damaged, or Keras cannot load it safely.

    Example:
        >>> champion = load_champion("flights")  # doctest: +SKIP
        >>> champion.number, champion.predict({"distance": [2475.0], "carrier": ["AA"]})  # doctest: +SKIP
        (12, array([[0.31]], dtype=float32))
        >>> champion.refresh()  # every minute or so  # doctest: +SKIP
        False
    """
    from evergreen_client.registry import RegistryReader

    home = Path(os.environ.get("EVERGREEN_HOME") or ".evergreen").expanduser().absolute()
    url = database_url or os.environ.get("EVERGREEN_DATABASE_URL") or f"sqlite:///{home / 'registry.db'}"
    root = artifact_root or os.environ.get("EVERGREEN_ARTIFACT_ROOT") or str(home / "artifacts")
    artifacts = ArtifactRoot(root, cache or home / "cache")
    registry = RegistryReader(url)
    try:
        return Champion(model, registry, artifacts)
    except BaseException:
        registry.close()
        raise


class Champion:
    """A model's champion. Safe to use from many threads while one of them refreshes it.

    Args:
        model: name of the model.
        registry: who is champion; closed with this object.
        artifacts: where its files are.
    """

    def __init__(self, model: str, registry: RegistryReader, artifacts: ArtifactRoot) -> None:
        self.model, self._registry, self._artifacts = model, registry, artifacts
        self._refreshing = Lock()
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
        return self._loaded.version.number

    @property
    def reason(self) -> str:
        """Why it was promoted, in a sentence."""
        return self._loaded.version.reason

    def predict(self, columns: Mapping[str, Any]) -> NDArray[np.float32]:
        """Predictions for some rows, shape (rows, outputs), from raw columns as they arrive in files.

        Args:
            columns: name to one value per row, as a list or an array; further columns are left alone.

        Raises:
            SchemaMismatch: an input column is missing, or holds something else than the model takes.
        """
        return self._loaded.predict(columns)

    @property
    def classes(self) -> tuple[str, ...]:
        """The words of the classes, as the target arrives; none of a regression, or where classes are numbers.

        Of several classes they are in the order of the outputs; of two, the one output is the chance of the second.
        """
        return self._loaded.version.classes

    @property
    def threshold(self) -> float:
        """Of two classes, the chance above which the second is decided.

        It costs least on rows that did not train, where the model's gate has a `Cost`; else it is one half.
        """
        return self._loaded.version.threshold

    def predict_classes(self, columns: Mapping[str, Any]) -> NDArray[np.object_]:
        """The class of each row as a word, shape (rows,); None where the prediction is no number.

        Of several classes it is the likeliest, of two the second above the `threshold`.

        Args:
            columns: as for `predict`.

        Raises:
            SchemaMismatch: an input column is missing, or the champion's classes have no words.
        """
        return self._loaded.predict_classes(columns)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs of a model that has several; none where there is one."""
        return tuple(name for name, _ in self._loaded.version.outputs)

    def predict_outputs(self, columns: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """Predictions of each output by its name, shape (rows, its own numbers), of a model with several outputs.

        `predict` gives the same numbers beside each other, in the order of `outputs`.

        Args:
            columns: as for `predict`.

        Raises:
            SchemaMismatch: an input column is missing, or the champion has one output only.
        """
        return self._loaded.predict_outputs(columns)

    def refresh(self) -> bool:
        """Ask for a new champion and load what of it is new; returns whether another version answers now.

        Costs one query while nothing changed, and one small file when only the head did. If the new champion
        cannot be loaded, the old one goes on answering and the error is raised.
        """
        with self._refreshing:  # of two at once the later one must not bring back what the earlier one saw
            before = self._loaded
            self._loaded = self._load(before)
            return self._loaded.version.number != before.version.number

    def _load(self, known: LoadedVersion | None) -> LoadedVersion:
        version = self._registry.champion(self.model)
        if known is not None and known.version.number == version.number:
            return replace(known, version=version)  # promoted again, perhaps, for another reason
        return LoadedVersion.load(self.model, version, self._artifacts, known)


@dataclass(frozen=True)
class LoadedVersion:
    """A version in memory: a base and a head as one graph, whose layers need no more memory for more rows."""

    version: ChampionRecord
    base: keras.Model
    head: keras.Model
    features: Forward
    forward: Forward

    @classmethod
    def load(cls, model: str, version: ChampionRecord, artifacts: ArtifactRoot, known: LoadedVersion | None) -> Self:
        """Load a version, for rows of its base's inputs; what of it is `known` already, is taken over.

        Raises:
            ArtifactError: a file is gone or damaged, or Keras cannot load it safely.
        """
        import tensorflow as tf

        def part(artifact: StoredArtifact) -> keras.Model:
            return load_model_of(model, artifacts.fetch(artifact, of=f"version {version.number} of model '{model}'"))

        same_base = known is not None and known.version.base == version.base
        same_head = known is not None and known.version.head == version.head
        base = known.base if known is not None and same_base else part(version.base)
        head = known.head if known is not None and same_head else part(version.head)
        features = known.features if known is not None and same_base else traced(base)
        rows = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in base.inputs}
        return cls(version, base, head, features, in_batches(base, head, signature=[rows], first=features))

    def predict(self, columns: Mapping[str, Any]) -> NDArray[np.float32]:
        """Predictions from raw columns."""
        import numpy as np
        import tensorflow as tf

        from evergreen_client.columns import rows_for

        return np.asarray(self.forward(tf.nest.map_structure(tf.constant, rows_for(self.base, columns))))

    def predict_classes(self, columns: Mapping[str, Any]) -> NDArray[np.object_]:
        """The likeliest class of each row as a word; of two classes, the second above the version's threshold."""
        import numpy as np

        if not self.version.classes:
            raise SchemaMismatch(
                f"version {self.version.number}",
                "it has several outputs" if self.version.outputs else "its classes have no words",
                "call predict_outputs()"
                if self.version.outputs
                else "call predict(), or name them with classes=(...) in the model's objective and train a version",
            )
        chances = self.predict(columns)
        several = chances.shape[1] > 1
        places = chances.argmax(axis=1) if several else (chances[:, 0] > self.version.threshold).astype("int64")
        named: NDArray[np.object_] = np.array(self.version.classes, "object")[places]
        named[~np.isfinite(chances).all(axis=1)] = None
        return named

    def predict_outputs(self, columns: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """Each output's part of the predictions."""
        if not self.version.outputs:
            raise SchemaMismatch(
                f"version {self.version.number}", "it has one output, without a name", "call predict()"
            )
        said, found, start = self.predict(columns), dict[str, "NDArray[np.float32]"](), 0
        for name, width in self.version.outputs:
            found[name] = said[:, start : start + width]
            start += width
        return found
