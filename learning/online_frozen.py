"""An online learner as a version: two plain Keras models, that whoever serves loads without any of this."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learning.files import EpochValue, ModelFiles, Trained, save_model
from learning.online_features import FAR, ColdFeatures
from learning.online_memory import remembered

if TYPE_CHECKING:
    import keras

    from learning.online import OnlineLearner
    from learning.online_rows import ColdRows
    from learning.online_step import OnlineStep

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
    alone = step.losses.shape[0] == 1 and not step.labels
    head = step.head if alone else mixed_head(step)
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
    every = [*parts, *flags]
    return Model(inputs, layers.Concatenate()(every) if len(every) > 1 else every[0])


def mixed_head(step: OnlineStep) -> keras.Model:
    """All that answers, as one head: each counts as it does now, and the kept rows are those of now."""
    from keras import Input, Model, layers

    asked = Input(step.features.shape)
    found = step.head(asked)
    said = list(found) if isinstance(found, list | tuple) else [found]
    if step.labels:
        deviation, mean = (float(one[0]) for one in (step.labels.deviation().numpy(), step.labels.mean.numpy()))
        said = [layers.Rescaling(deviation, mean, dtype="float32")(one) for one in said]
    rows, values = step.memory()
    if len(rows):
        said.append(remembered(asked, rows, values, float(step.prior()), step.neighbours))
    parts = [layers.Rescaling(float(share))(one) for share, one in zip(step.shares(), said, strict=False)]
    return Model(asked, layers.Add()(parts) if len(parts) > 1 else parts[0])
