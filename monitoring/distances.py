"""How far many pairs of samples of a column are apart, from counts: what Evidently measures of one pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitoring.counted import Counted, Floats

WASSERSTEIN, JENSEN_SHANNON = "wasserstein", "jensenshannon"
MISSING_SHARE, UNSEEN_SHARE = "missing share", "unseen share"
SMALLEST_NORM = 0.001  # Evidently's, in place of a smaller standard deviation


@dataclass(frozen=True)
class Samples:
    """Samples of a column: how many rows of each have which value, shape (samples, bins), and how many have none."""

    known: Floats
    missing: Floats

    @classmethod
    def of(cls, counts: Floats) -> Samples:
        """Samples from counts whose first column is that of the rows without a value."""
        return cls(counts[:, 1:], counts[:, 0])

    @property
    def shares(self) -> Floats:
        """Of the rows that have a value; zeros where there are none."""
        return np.asarray(self.known / np.maximum(self.known.sum(axis=1, keepdims=True), 1))

    @property
    def missing_shares(self) -> Floats:
        """Of all rows."""
        return np.asarray(self.missing / np.maximum(self.missing + self.known.sum(axis=1), 1))


def distances(column: Counted, reference: Samples, current: Samples) -> dict[str, Floats]:
    """Each measure of each pair of samples; 0 where one of the two has no value."""
    both = (reference.known.sum(axis=1) > 0) & (current.known.sum(axis=1) > 0)
    if column.ordered:
        found = {WASSERSTEIN: wasserstein(column.values, reference.shares, current.shares)}
    else:
        found = {
            JENSEN_SHANNON: jensen_shannon(reference.shares, current.shares),
            UNSEEN_SHARE: np.where(reference.known == 0, current.shares, 0).sum(axis=1),
        }
    found = {method: np.where(both, values, 0) for method, values in found.items()}
    return found | {MISSING_SHARE: np.abs(reference.missing_shares - current.missing_shares)}


def observed(column: Counted, rows: int) -> dict[str, float]:
    """Each measure of a column between the reference, which is the first so many rows, and the others."""
    sides = (column.bins[:rows], column.bins[rows:])
    reference, current = (np.bincount(side + 1, minlength=column.count + 1)[None, :].astype(float) for side in sides)
    return {m: float(v[0]) for m, v in distances(column, Samples.of(reference), Samples.of(current)).items()}


def wasserstein(values: Floats, reference: Floats, current: Floats) -> Floats:
    """First Wasserstein distance over the same growing values, in standard deviations of the reference.

    Example:
        >>> wasserstein(np.array([0.0, 10.0]), np.array([[0.5, 0.5]]), np.array([[0.0, 1.0]])).tolist()
        [1.0]
    """
    gaps = np.diff(values)
    distance = np.abs(np.cumsum(current - reference, axis=1)[:, :-1]) @ gaps
    # From the middle value, since squares of large numbers that are alike would drown their differences.
    centred = values - values[len(values) // 2] if len(values) else values
    variance = reference @ centred**2 - (reference @ centred) ** 2
    return np.asarray(distance / np.maximum(np.sqrt(np.maximum(variance, 0)), SMALLEST_NORM))


def jensen_shannon(reference: Floats, current: Floats) -> Floats:
    """Jensen-Shannon distance of shares, with natural logarithms as scipy and Evidently have it.

    Example:
        >>> jensen_shannon(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).round(3).tolist()
        [0.833]
    """
    from scipy.special import entr

    mixed = entr((reference + current) / 2).sum(axis=1)
    divergence = mixed - (entr(reference).sum(axis=1) + entr(current).sum(axis=1)) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0)))
