"""Images and texts as a drift check sees them: rows of the main directions of a base's features.

The base of digits learns upright images for three epochs, that of texts is a bag of 1,000 words. Directions are found
on rows that are compared with none, as the check does it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from demo.digits import draw, turned
from monitoring.projection import Projection, fit, sketch

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = "day"
POOL, BESIDE, CHANGED = 6_000, 1_000, 2_000  # rows: as they were, to find directions on, and as they became
OLD, NEW = 2_000, 700  # rows of a side
WORDS, LONG = 1_000, 12  # of the language, and of a text

Pair = tuple[pl.DataFrame, pl.DataFrame]
Draw = Callable[[np.random.Generator], Pair]


def seen(before: NDArray[Any], after: NDArray[Any] | None, share: float = 1.0) -> Draw:
    """Sixty days of rows and seven others, of which a share is as afterwards."""

    def drawn(draw: np.random.Generator) -> Pair:
        chosen = draw.permutation(len(before))[: OLD + NEW]
        one, other = before[chosen[:OLD]], before[chosen[OLD:]].copy()
        if after is not None:
            turned_ones = draw.permutation(NEW)[: round(share * NEW)]
            other[turned_ones] = after[draw.integers(0, len(after), len(turned_ones))]
        return _table(one, np.arange(OLD) * 60 // OLD), _table(other, 60 + np.arange(NEW) * 7 // NEW)

    return drawn


def _table(along: NDArray[Any], day: NDArray[np.int64]) -> pl.DataFrame:
    columns = {f"base/direction {place + 1}": along[:, place] for place in range(along.shape[1] - 1)}
    return pl.DataFrame({DAY: day, **columns, "base/off directions": along[:, -1]})


def images(degrees: int = 0, share: float = 1.0) -> Draw:
    """Digits, a share of the new ones turned."""
    return seen(_digits(0), _digits(degrees) if degrees else None, share)


def texts(share: float = 0.0) -> Draw:
    """Texts, a share of the new ones about something else."""
    return seen(_texts(0), _texts(1) if share else None, share)


@cache
def _digits(degrees: int) -> NDArray[Any]:
    base, projection = _digits_base()
    rows, seed = (CHANGED, 2) if degrees else (POOL, 1)
    return _along(base, projection, *_drawn_digits(rows, seed, degrees))


def _drawn_digits(rows: int, seed: int, degrees: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    _, pixels, digit = draw(rows, seed=seed)
    pixels = turned(degrees)(pixels) if degrees else pixels
    halves = {"ink": pixels, "upper": pixels[:, :4], "left": pixels[:, :, :4]}
    means = {name: part.mean(axis=(1, 2)).reshape(-1, 1) for name, part in halves.items()}
    return {**means, "pixels": pixels[..., None]}, digit


@cache
def _digits_base() -> tuple[Any, Projection]:
    import keras

    from models import digits

    keras.utils.set_random_seed(0)
    inputs, digit = _drawn_digits(3_000, 0, 0)
    base = digits.build_base({})
    whole = keras.Model(base.inputs, digits.build_head(base.output_shape[1:])(base.output))
    whole.compile("adam", "sparse_categorical_crossentropy")
    whole.fit(inputs, digit, epochs=3, verbose=0)
    return base, _fitted(base, _drawn_digits(BESIDE, 3, 0)[0])


@cache
def _texts(subject: int) -> NDArray[Any]:
    base, projection = _texts_base()
    rows, seed = (CHANGED, 2) if subject else (POOL, 1)
    return _along(base, projection, _drawn_texts(rows, seed, subject))


def _drawn_texts(rows: int, seed: int, subject: int) -> NDArray[Any]:
    """Texts of words as frequent as in a language (Zipf); each subject has other frequent ones."""
    draw, common = np.random.default_rng(seed), 1 / np.arange(1, WORDS + 1)
    order = np.random.default_rng(subject).permutation(WORDS)
    words = order[draw.choice(WORDS, (rows, LONG), p=common / common.sum())]
    return np.array([" ".join(f"w{word}" for word in text) for text in words])[:, None]


@cache
def _texts_base() -> tuple[Any, Projection]:
    import keras

    words = keras.layers.TextVectorization(WORDS, output_mode="multi_hot")
    words.adapt(_drawn_texts(3_000, 0, 0))
    given = keras.Input((1,), dtype="string")
    base = keras.Model(given, words(given))
    return base, _fitted(base, _drawn_texts(BESIDE, 3, 0))


def _fitted(base: Any, inputs: Any) -> Projection:
    found = fit(_features(base, inputs))
    assert found is not None
    return found


def _along(base: Any, projection: Projection, inputs: Any, *_: Any) -> NDArray[Any]:
    return projection(_features(base, inputs))


def _features(base: Any, inputs: Any) -> NDArray[Any]:
    import tensorflow as tf

    return sketch(np.asarray(base(tf.nest.map_structure(tf.constant, inputs), training=False), "float32"))
