"""A retrain without Evergreen, as a script does it: pandas, Evidently's DataDriftPreset, Keras fit, two files.

`python -m benchmarks.bare_retrain BASE HEAD REFERENCE_FOLDER CURRENT_FOLDER OUT_FOLDER`: no registry, no gate, no
resume; what Evergreen's whole flow is measured beside.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from models.flights import schema

EPOCHS = 10
BATCH = 256


def main(base_path: str, head_path: str, reference: str, current: str, out: str) -> None:
    """Check drift, fine-tune the head, compare, save."""
    past, new = (
        pd.concat([pd.read_csv(file) for file in sorted(Path(folder).glob("*.csv"))]) for folder in (reference, current)
    )
    report_drift(past, new)
    base, head = keras.models.load_model(base_path, compile=False), keras.models.load_model(head_path, compile=False)
    base.trainable = False
    held = np.random.default_rng(0).random(len(new)) < schema.holdout
    old_loss = keras.losses.binary_crossentropy(target(new[held]), head(base(inputs(new[held])))).numpy().mean()
    rows = {tensor.name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name) for tensor in base.inputs}
    model = keras.Model(rows, head(base(rows)))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
    model.fit(inputs(new[~held]), target(new[~held]), batch_size=BATCH, epochs=EPOCHS, verbose=0)
    new_loss = keras.losses.binary_crossentropy(target(new[held]), model(inputs(new[held]))).numpy().mean()
    base.save(Path(out) / "base.keras")
    head.save(Path(out) / "head.keras")
    print(f"{len(new)} rows, log loss on held-out ones {old_loss:.4f} before, {new_loss:.4f} after")


def report_drift(past: pd.DataFrame, new: pd.DataFrame) -> None:
    """Evidently's preset over all inputs and the target."""
    columns = [*schema.inputs, schema.target]
    definition = DataDefinition(
        numerical_columns=[*schema.numeric], categorical_columns=[*schema.categorical, schema.target]
    )
    datasets = [Dataset.from_pandas(frame[columns], data_definition=definition) for frame in (new, past)]
    Report([DataDriftPreset()]).run(*datasets)


def inputs(frame: pd.DataFrame) -> dict[str, tf.Tensor]:
    """What the base takes."""
    numbers = {name: tf.constant(frame[[name]].to_numpy("float32")) for name in schema.numeric}
    return numbers | {name: tf.constant(frame[[name]].to_numpy("object")) for name in schema.categorical}


def target(frame: pd.DataFrame) -> np.ndarray:
    """Labels of shape (rows, 1)."""
    return frame[[schema.target]].to_numpy("float32")


if __name__ == "__main__":
    main(*sys.argv[1:])
