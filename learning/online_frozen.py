"""An online learner as a version: two plain Keras models, that whoever serves loads without any of this."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learning.files import EpochValue, ModelFiles, Trained, save_model
from learning.online_features import FAR, ColdFeatures

if TYPE_CHECKING:
    import keras

    from learning.online import OnlineLearner
    from learning.online_rows import ColdRows

STAGE = "online"


def frozen(learner: OnlineLearner, work: Path) -> Trained:
    """Base and head as they are now; a version's base is the very file that the learner went on from.

    Raises:
        TrainingDiverged: a weight is not finite.
    """
    work.mkdir(parents=True, exist_ok=True)
    features, step = learner.step.features, learner.step
    base_path, base_digest, head_path = work / "base.keras", "", work / "head.keras"
    if learner.files is not None:
        base_path, base_digest = learner.files.base, learner.files.base_digest
    if learner.cold is not None and isinstance(features, ColdFeatures):
        base_digest = save_model(cold_base(features, learner.cold), base_path)
    head = in_label_units(step.head, step) if step.labels else step.head
    files = ModelFiles(base_path, head_path, base_digest, save_model(head, head_path))
    score = learner.score
    curve = (EpochValue(STAGE, 1, "loss", score.loss),) if score.rows else ()
    reason = f"learned online from {score.rows:,} events, one by one; the error broke {score.breaks} times"
    plan: dict[str, Any] = {"kind": "online", **asdict(learner.plan)}
    return Trained(files, curve, (), plan, reason, {STAGE: 1})


def cold_base(features: ColdFeatures, rows: ColdRows) -> keras.Model:
    """The features of a cold start in Keras' own layers, on the scales and with the words of now."""
    from keras import Input, Model, layers, ops

    schema, slots = features.schema, features.plan.slots
    inputs = {name: Input((1,), name=name) for name in schema.numeric}
    inputs |= {name: Input((1,), name=name, dtype="string") for name in schema.categorical}
    mean, deviation = features.scales.mean.numpy(), features.scales.deviation().numpy()
    parts, flags = [], []
    for place, name in enumerate(schema.numeric):
        scale = layers.Normalization(mean=float(mean[place]), variance=float(deviation[place]) ** 2)
        missing = ops.isnan(inputs[name])
        scaled = ops.where(missing, 0.0, scale(inputs[name]))
        parts.append(ops.clip(scaled, -FAR, FAR))
        if place in features.nullable:
            flags.append(ops.cast(missing, "float32"))
    for name, words in rows.words.items():
        lookup = layers.StringLookup(vocabulary=words.by_slot() or [""], num_oov_indices=1)
        flags.append(layers.Flatten()(ops.one_hot(lookup(inputs[name]) - 1, slots)))
    flat = layers.Concatenate()([*parts, *flags]) if len(parts + flags) > 1 else (parts + flags)[0]
    waves = layers.Dense(features.plan.waves, trainable=False, name="waves")
    both = Model(inputs, layers.Concatenate()([flat, ops.cos(waves(flat))]))
    waves.set_weights([features.frequencies, features.phases])
    return both


def in_label_units(head: keras.Model, step: Any) -> keras.Model:
    """A head that predicts in deviations of the labels, with a last layer that gives predictions their unit back."""
    from keras import Input, Sequential, layers

    deviation, mean = (np.float32(one[0]) for one in (step.labels.deviation().numpy(), step.labels.mean.numpy()))
    unit = layers.Rescaling(float(deviation), float(mean), dtype="float32")
    return Sequential([Input(step.features.shape), head, unit])
