"""Whether a version answers elsewhere as it did where it was judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

OF_SPREAD = 0.01
OF_SIZE = 1e-4

Floats = NDArray[np.floating[Any]]


def difference(recorded: Floats, served: Floats) -> str:
    """How predictions differ from those that were recorded of the same rows, in words; "" if they do not.

    The last bits always may: batches of other sizes, oneDNN or not, and a GPU that multiplies with 10 bits (TF32) add
    up in another order. A deep network makes of that up to about a thousandth of a logit. So each output may be off by
    a hundredth of its standard deviation over these rows, which moves no metric, and by a ten-thousandth of its
    largest size, which is what float32 leaves of numbers that are all alike. Another model, or columns that were
    mixed up, are off by about the standard deviation itself.

    Args:
        recorded: shape (rows, outputs).
        served: what should be the same.
    """
    if served.shape != recorded.shape:
        return f"it gives predictions of shape {served.shape} where {recorded.shape} was recorded"
    tolerance = OF_SPREAD * recorded.std(axis=0) + OF_SIZE * np.abs(recorded).max(axis=0)
    apart = np.abs(served - recorded)
    off = ~(apart <= tolerance).all(axis=1)  # NaN is never near
    if not off.any():
        return ""
    return (
        f"of {int(off.sum()):,} of {len(off):,} rows it predicts something else than was recorded, by up to "
        f"{apart.max():.2g} where {tolerance.max():.2g} is allowed"
    )
