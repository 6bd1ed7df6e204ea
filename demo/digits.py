"""The second demo's landing folder: handwritten digits, one Parquet file a month, whose look changes over time.

The 1,797 images that scikit-learn ships are drawn again and again, each time moved a little and with some noise.
In the first months they stand upright; later arrivals are turned by 45°, then by 90°, and in the end they are
white on black. All drawings of one original image share their `drawing`, by which the holdout is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Images = NDArray[np.float32]
MONTHS = range(1, 13)
MONTHS_PER_ERA = 3
ROWS = 1_200  # a month: few enough for a quick demo, and each month has the 200 held-out rows that a verdict needs
START = datetime(2024, 1, 1, tzinfo=UTC)


def write_month(path: Path, month: int) -> None:
    """Write one month's file; the same month always has the same rows."""
    digits_month(month, ROWS).write_parquet(path)


def digits_month(month: int, rows: int = 1500, look: Callable[[Images], Images] | None = None) -> pl.DataFrame:
    """The images of a month, oldest first.

    Args:
        month: from 1 on.
        rows: how many.
        look: what is done to them; by default what LOOKS says for the month.
    """
    import polars as pl

    look = look or LOOKS[min((month - 1) // MONTHS_PER_ERA, len(LOOKS) - 1)]
    drawing, images, digits = draw(rows, seed=month)
    images = look(images)
    first = START + timedelta(days=30 * (month - 1))
    return pl.DataFrame(
        {
            "written_at": [first + timedelta(minutes=place) for place in range(rows)],
            "image_id": [f"{month:02}-{place:05}" for place in range(rows)],
            "drawing": [str(number) for number in drawing],
            "ink": images.mean(axis=(1, 2)).astype("float64"),
            "upper": images[:, :4].mean(axis=(1, 2)).astype("float64"),
            "left": images[:, :, :4].mean(axis=(1, 2)).astype("float64"),
            "digit": digits.astype("float64"),
            "pixels": pl.Series(images.reshape(rows, 64), dtype=pl.Array(pl.Float32, 64)),
        },
        schema_overrides={"written_at": pl.Datetime("us", "UTC")},
    )


def draw(rows: int, seed: int) -> tuple[NDArray[np.int64], Images, NDArray[np.int64]]:
    """Random images, shape (rows, 8, 8), values 0 to 1: which original each is, its pixels, its digit."""
    from sklearn.datasets import load_digits

    data = load_digits()
    random = np.random.default_rng(seed)
    drawing = random.integers(0, len(data.images), rows)
    images = np.pad(data.images[drawing] / 16, ((0, 0), (1, 1), (1, 1)))
    across, down = random.integers(0, 3, (2, rows))
    window = np.arange(8)
    lines, columns = down[:, None, None] + window[:, None], across[:, None, None] + window
    images = images[np.arange(rows)[:, None, None], lines, columns]
    noisy = np.clip(images + random.normal(scale=0.05, size=images.shape), 0, 1)
    return drawing, noisy.astype("float32"), data.target[drawing]


def turned(degrees: int) -> Callable[[Images], Images]:
    """A function that turns images against the clock."""

    def turn(images: Images) -> Images:
        from scipy.ndimage import rotate

        return np.clip(rotate(images, degrees, axes=(2, 1), reshape=False, order=1), 0, 1)

    return turn


def inverted(images: Images) -> Images:
    """White on black instead of black on white."""
    return np.asarray(1 - images)


LOOKS: tuple[Callable[[Images], Images], ...] = (np.asarray, turned(45), turned(90), inverted)
