"""The parts of the judged rows that are looked at by themselves: values of a column, quarters of a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Marks = NDArray[np.bool_]
Column = NDArray[Any]

MOST = 100  # values of a column that are judged, those with the most rows; the rest are judged together
BINS = 4  # of a number, with about as many rows each


def slices(columns: Mapping[str, Column], counted: Marks) -> Iterator[tuple[str, Marks]]:
    """Every slice of some columns, among the rows that count: its name, and which rows it has.

    Args:
        columns: name to values, shape (rows,): words or numbers.
        counted: the rows that are judged.

    Example:
        >>> columns = {"origin": np.array(["JFK", "LGA", "JFK"]), "delay": np.array([1.0, 9.0, np.nan])}
        >>> [(name, marks.sum().item()) for name, marks in slices(columns, np.ones(3, bool))]
        [('origin=JFK', 2), ('origin=LGA', 1), ('delay up to 1', 1), ('delay above 1', 1), ('delay missing', 1)]
    """
    for name, values in columns.items():
        found = of_numbers if is_number(values) else of_words
        yield from ((f"{name}{part}", rows) for part, rows in found(values, counted))


def is_number(values: Column) -> bool:
    """Whether a column's values can be put in order, and cut into quarters."""
    return values.dtype.kind in "fiu"


def of_words(values: Column, counted: Marks) -> Iterator[tuple[str, Marks]]:
    """Each value, in alphabetical order; of very many the most frequent, and all others together."""
    counts = Counter(values[counted].tolist())
    frequent = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    kept = {value: place for place, value in enumerate(sorted(value for value, _ in frequent))}
    place = np.fromiter((kept.get(value, len(kept)) for value in values.tolist()), np.int64, len(values))
    for value, one in kept.items():
        yield f"={value}", counted & (place == one)
    if others := len(counts) - len(kept):
        yield f": {others:,} other values", counted & (place == len(kept))


def of_numbers(values: Column, counted: Marks) -> Iterator[tuple[str, Marks]]:
    """Quarters, between the quartiles of the rows that count; and what is missing.

    The outermost are open: their smallest and largest value would be those of single rows.
    """
    numbers = values.astype("float64")
    known = counted & np.isfinite(numbers)
    for name, low, high in ranges(numbers[known]):
        rows = known & (numbers > low) & (numbers <= high)
        if rows.any():
            yield f" {name}", rows
    if (missing := counted & ~np.isfinite(numbers)).any():
        yield " missing", missing


def ranges(known: Floats) -> Iterator[tuple[str, float, float]]:
    """The bins of a number: words, and the ends, of which the lower one is not in it."""
    if not len(known):
        return
    inner = quartiles(known)
    if not inner:
        yield "always the same", -np.inf, np.inf
        return
    yield f"up to {short(inner[0])}", -np.inf, inner[0]
    for low, high in pairwise(inner):
        yield f"{short(low)} to {short(high)}", low, high
    yield f"above {short(inner[-1])}", inner[-1], np.inf


def quartiles(known: Floats) -> list[float]:
    """Where a number is cut: of few values between any two, and where all but a few are the largest, below that."""
    distinct = np.unique(known)
    if len(distinct) <= BINS:
        cuts = distinct[:-1]
    else:
        cuts = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        cuts = cuts[cuts < distinct[-1]] if (cuts < distinct[-1]).any() else distinct[-2:-1]
    return list({short(cut): cut for cut in cuts.tolist()}.values())  # two that are written alike are one


def short(value: float) -> str:
    """A number as a name has it."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
