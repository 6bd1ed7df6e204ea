"""Features of a frozen base in a few columns that a drift check can compare, so that images and text are seen.

Univariate comparisons after a reduction of dimensions find shifts of images as well as tests of all dimensions at once
(Rabanser, Günnemann and Lipton, "Failing Loudly", NeurIPS 2019); there, too, the outputs of a classifier are compared,
as they are here by another part of the check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

DIRECTIONS = 7  # and the distance from them: eight columns
WIDEST = 512  # features of a row; more of them are hashed into as many
SEED = 512
TINY = 1e-6  # a feature that varies less than this, relative to the largest, does not vary


@dataclass(frozen=True)
class Projection:
    """The main directions of features, and how far a row lies off them.

    The distance (the Q statistic of Jackson and Mudholkar, "Control procedures for residuals associated with principal
    component analysis", Technometrics 21, 1979) sees what no direction does: rows unlike all that were there before.

    Args:
        mean: of each feature, shape (features,).
        scale: its standard deviation.
        directions: orthonormal, shape (directions, features).
    """

    mean: Floats
    scale: Floats
    directions: Floats

    def __call__(self, features: Floats) -> Floats:
        """Coordinates along each direction, and the distance from all of them: shape (rows, directions + 1)."""
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite stays so, and is seen as missing
            usual = (np.asarray(features, "float64") - self.mean) / self.scale
            along = usual @ self.directions.T
            off = np.sqrt(np.maximum((usual**2).sum(axis=1) - (along**2).sum(axis=1), 0))
        return np.column_stack([along, off])


def fit(features: Floats) -> Projection | None:
    """The main directions of some rows; None where fewer than two rows are finite, or no feature varies.

    Rows that are compared later must not be among these: a sample lies nearer to its own directions than others do.

    Args:
        features: shape (rows, features), as `sketch` gives them.

    Example:
        >>> spread = fit(np.random.default_rng(0).normal(size=(100, 3)) * [5, 1, 0])
        >>> spread.directions.shape, spread(np.zeros((2, 3))).shape
        ((2, 3), (2, 3))
    """
    known = np.asarray(features, "float64")
    known = known[np.isfinite(known).all(axis=1)]
    if len(known) < 2 or not (scale := known.std(axis=0)).max(initial=0) > 0:
        return None
    varies = scale > TINY * scale.max()
    # What never varied keeps the unit of the others: where it begins to, that shows in the distance.
    scale = np.where(varies, scale, np.median(scale[varies]))
    usual = np.where(varies, (known - known.mean(axis=0)) / scale, 0.0)
    _, strength, directions = np.linalg.svd(usual, full_matrices=False)
    kept = min(DIRECTIONS, int((strength > TINY * strength[0]).sum()))
    chosen = directions[:kept]
    signs = np.sign(chosen[np.arange(kept), np.abs(chosen).argmax(axis=1)])  # else either of two is as right
    return Projection(known.mean(axis=0), scale, chosen * signs[:, None])


def sketch(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of any shape as at most 512 numbers a row; inner products stay as they are, on average.

    Each feature is added, with a random sign, to one of the numbers (Weinberger et al., "Feature hashing for large
    scale multitask learning", ICML 2009). It is the same one every time.

    Example:
        >>> sketch(np.ones((2, 3, 4), "float32")).shape, sketch(np.ones((2, 40, 40), "float32")).shape
        ((2, 12), (2, 512))
    """
    flat = features.reshape(len(features), -1)
    if flat.shape[1] <= WIDEST:
        return flat
    random = np.random.default_rng(SEED)
    order, signs = random.permutation(flat.shape[1]), random.choice(np.array([-1, 1], "float32"), flat.shape[1])
    starts = np.linspace(0, flat.shape[1], WIDEST, endpoint=False).astype(int)
    return np.add.reduceat((flat * signs)[:, order], starts, axis=1)
