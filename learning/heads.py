"""Heads that predict: loaded and traced once, however many steps of a run ask the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen_client.batches import in_batches
from evergreen_client.model_files import load_model

if TYPE_CHECKING:
    from evergreen_client.batches import Forward
    from learning.files import ModelFiles

MOST = 2  # a champion's and a challenger's


@dataclass(frozen=True)
class _Head:
    path: Path
    digest: str
    forward: Forward


_newest: list[_Head] = []


def head_of(files: ModelFiles) -> Forward:
    """A function from features to a version's predictions; the very same one if it was among the last two asked for."""
    found = next((one for one in _newest if (one.path, one.digest) == (files.head, files.head_digest)), None)
    if found is None:
        model = load_model(files.head)
        found = _Head(files.head, files.head_digest, in_batches(model, signature=_signature(model)))
    _newest[:] = [found, *(one for one in _newest if one is not found)][:MOST]
    return found.forward


def _signature(model: Any) -> Any:
    """Shape and type of the features, for any number of rows; None where the model does not say."""
    import tensorflow as tf

    inputs: Sequence[Any] = getattr(model, "inputs", None) or ()
    return [tf.TensorSpec([None, *inputs[0].shape[1:]], "float32")] if len(inputs) == 1 else None
