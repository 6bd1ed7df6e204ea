"""What a head learns from: the features of a frozen base, or those of a cold start, whose scales follow the rows.

Both say how a row is `kept` for later steps, and make `features` of what is kept. A cold start keeps rows as they came,
so that an old one is seen on the scales of today.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learning.online_rows import NUMBERS, WORDS

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from learning.online_plan import Online
    from learning.schema import Schema

FAR = 4.0  # deviations at which a number is cut off: one row must not throw the weights about


def kept_variable(value: Any, name: str) -> Any:
    """A number, or an array, that one event hands on to the next; no gradient moves it."""
    import keras

    value = np.asarray(value)
    return keras.Variable(value, dtype=value.dtype.name, trainable=False, name=name)


class BaseFeatures:
    """Features of a version's base, which never learns."""

    def __init__(self, base: keras.Model, schema: Schema) -> None:
        import tensorflow as tf

        self.base, self.schema = base, schema
        wide = {one.name: one for one in base.inputs if one.name not in (*schema.numeric, *schema.strings)}
        self.signature = {name: tf.TensorSpec((None, *one.shape[1:]), "float32") for name, one in wide.items()}
        for kind, names, dtype in ((NUMBERS, schema.numeric, "float32"), (WORDS, schema.strings, "string")):
            if names:
                self.signature[kind] = tf.TensorSpec((None, len(names)), dtype)
        self.shape = tuple(base.outputs[0].shape[1:])
        self.kept_shape, self.kept_dtype = self.shape, "float32"
        self.variables: list[Any] = []

    def kept(self, row: dict[str, tf.Tensor]) -> tf.Tensor:
        """The features themselves: they are the same for ever."""
        import tensorflow as tf

        columns = {name: value for name, value in row.items() if name not in (NUMBERS, WORDS)}
        for kind, names in ((NUMBERS, self.schema.numeric), (WORDS, self.schema.strings)):
            if names:
                columns |= dict(zip(names, tf.split(row[kind], len(names), axis=1), strict=True))
        return tf.cast(self.base(columns, training=False), "float32")

    def features(self, kept: tf.Tensor) -> tf.Tensor:
        """What was kept."""
        return kept

    def learn(self, row: tf.Tensor) -> None:
        """Nothing: the base is frozen."""

    def forget(self, most: tf.Tensor) -> None:
        """Nothing either."""


class Scales:
    """Mean and variance of columns, by Welford's recurrence; a value that is missing counts for nothing.

    Args:
        width: how many columns.
    """

    def __init__(self, width: int) -> None:
        names = ("count", "mean", "squares")
        self.count, self.mean, self.squares = self.variables = [kept_variable(np.zeros(width), name) for name in names]

    def learn(self, values: tf.Tensor) -> None:
        """Take one row, shape (1, width), into account."""
        import tensorflow as tf

        there = tf.cast(~tf.math.is_nan(values[0]), "float64")
        values = tf.where(tf.math.is_nan(values[0]), self.mean.value, values[0])
        count = self.count.value + there
        off = values - self.mean.value
        mean = self.mean.value + off * there / tf.maximum(count, 1.0)
        self.squares.assign(self.squares.value + off * (values - mean))
        self.count.assign(count)
        self.mean.assign(mean)

    def forget(self, most: tf.Tensor) -> None:
        """Let what was seen so far count as so many rows at most, so that new ones weigh more."""
        import tensorflow as tf

        share = tf.minimum(tf.ones((), "float64"), most / tf.maximum(self.count.value, 1.0))
        self.squares.assign(self.squares.value * share)
        self.count.assign(self.count.value * share)

    def deviation(self) -> tf.Tensor:
        """The standard deviation of each column; 1 where it is not known, or there is none."""
        import tensorflow as tf

        variance = self.squares.value / tf.maximum(self.count.value, 1.0)
        return tf.where(variance > 0, tf.sqrt(variance), tf.ones_like(variance))


class ColdFeatures:
    """Numbers on their present scales, and words as one of so many slots.

    Args:
        schema: names the columns.
        plan: says how many slots a table of words has.
    """

    def __init__(self, schema: Schema, plan: Online) -> None:
        import tensorflow as tf

        self.schema, self.plan = schema, plan
        self.numbers, self.categories = len(schema.numeric), len(schema.categorical)
        self.nullable = np.array(
            [place for place, name in enumerate(schema.numeric) if name in schema.nullable], "int32"
        )
        self.shape = (self.numbers + len(self.nullable) + self.categories * plan.slots,)
        self.kept_shape = (self.numbers + self.categories,)
        self.signature, self.kept_dtype = tf.TensorSpec((None, *self.kept_shape), "float64"), "float64"
        self.scales = Scales(self.numbers)
        self.variables = self.scales.variables

    def kept(self, row: tf.Tensor) -> tf.Tensor:
        """The row itself."""
        return row

    def features(self, kept: tf.Tensor) -> tf.Tensor:
        """Of rows as they came, shape (rows, features)."""
        import tensorflow as tf

        numbers, missing = kept[:, : self.numbers], tf.math.is_nan(kept[:, : self.numbers])
        scaled = (numbers - self.scales.mean.value) / self.scales.deviation()
        scaled = tf.clip_by_value(tf.where(tf.math.is_nan(scaled), tf.zeros_like(scaled), scaled), -FAR, FAR)
        if len(self.nullable) < self.numbers:  # to gather all of them takes longer than all else here
            missing = tf.gather(missing, self.nullable, axis=1)
        parts = [scaled, tf.cast(missing, "float64")]
        for place in range(self.categories):
            slot = tf.cast(kept[:, self.numbers + place], "int32")
            parts.append(tf.one_hot(slot, self.plan.slots, dtype="float64"))  # of an unknown word, no slot
        return tf.cast(tf.concat(parts, axis=1), "float32")

    def learn(self, row: tf.Tensor) -> None:
        """Take a row into the scales."""
        self.scales.learn(row[:, : self.numbers])

    def forget(self, most: tf.Tensor) -> None:
        """Let the scales follow new rows faster."""
        self.scales.forget(most)
