"""Slices that nobody named: where the challenger does worst, found on half of the rows and judged on the other half.

A tree of two splits over the difference of both versions' losses, as a regression tree makes them (Breiman, Friedman,
Olshen and Stone, "Classification and Regression Trees", 1984). On the rows that it was found on, the worst of many
parts looks bad in any case; so what is told of it is measured on rows that had no part in the search (honest
estimation: Athey and Imbens, "Recursive partitioning for heterogeneous causal effects", 2016).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.slices import Column, Floats, Marks, is_number, short

Codes = NDArray[np.int64]

FOUND = 2  # slices at most
DEEP = 2  # conditions of a slice at most
CODES = 16  # of a column: bins of a number, or its most frequent values and all others
SHARE = 0.02  # of the rows that are searched: a smaller part is none


@dataclass(frozen=True)
class Coded:
    """A column as few whole numbers: of words the place among the most frequent, of numbers the bin.

    Args:
        name: the column's.
        codes: shape (rows,); 0 of what is missing, or of a word that is not frequent.
        words: of each code, from 1 on: the word; or the upper end of the bin.
        ordered: whether these are bins.

    Example:
        >>> known, some = np.array([1, 1, 2]), np.array([0, 1, 2])
        >>> [at for _, at, _ in Coded("age", known, ["30"], ordered=True).sides()]
        ['age up to 30']
        >>> [at for _, at, _ in Coded("age", some, ["30"], ordered=True).sides()]
        ['age missing', 'age up to 30 or missing']
    """

    name: str
    codes: Codes
    words: Sequence[str]
    ordered: bool

    def sides(self) -> Iterator[tuple[int, str, str]]:
        """Every way to split: a code, and names of what is at it, and of what is not: below or above for bins.

        What is missing lies below every bin.
        """
        missing = self.ordered and not self.codes.all()
        if missing:
            yield 0, f"{self.name} missing", f"{self.name} not missing"
        for code, word in enumerate(self.words, 1):
            if self.ordered:
                yield code, f"{self.name} up to {word}{' or missing' * missing}", f"{self.name} above {word}"
            else:
                yield code, f"{self.name}={word}", f"{self.name} other than {word}"


@dataclass(frozen=True)
class Part:
    """Some rows, by the conditions that they fulfil."""

    names: tuple[str, ...]
    rows: Marks


def found_slices(
    columns: Mapping[str, Column], rise: Floats, halves: NDArray[np.integer], least: int
) -> Iterator[tuple[str, Marks]]:
    """The slices in which losses rose most, found on one half of the rows: name, and its rows of the other half.

    Args:
        columns: name to values, shape (rows,).
        rise: the challenger's loss less the champion's, shape (rows,).
        halves: of each row 0, if it is searched, 1, if it is for judging, else neither.
        least: rows of a slice in either half.
    """
    searched, judged = halves == 0, halves == 1
    enough = max(least, int(SHARE * searched.sum()))
    if searched.sum() < 2 * enough:
        return
    coded = [coded_column(name, values, searched) for name, values in columns.items()]
    parts = list(grown(coded, rise, Part((), searched), Part((), judged), enough))
    taken: list[Part] = []
    parts = [pair for pair in parts if pair[1].rows.sum() >= least]  # few rows would name single ones, and show nothing
    for part, other in sorted(parts, key=lambda pair: -strength(rise[pair[0].rows])):
        if len(taken) == FOUND or strength(rise[part.rows]) <= 1:
            return
        if not any((part.rows & one.rows).any() or part.names == one.names for one in taken):
            taken.append(part)
            yield " and ".join(part.names), other.rows


def strength(rise: Floats) -> float:
    """How surely losses rose on some rows: the mean in standard errors, as far as rows are independent."""
    spread = float(rise.std())
    return float(rise.mean()) / (spread / np.sqrt(len(rise))) if spread else 0.0


def coded_column(name: str, values: Column, searched: Marks) -> Coded:
    """A column as codes."""
    if is_number(values):
        numbers = values.astype("float64")
        known = np.isfinite(numbers)
        there = numbers[known & searched]
        inner = np.unique(np.quantile(there, np.arange(1, CODES) / CODES)) if len(there) else np.empty(0)
        codes = np.where(known, np.searchsorted(inner, numbers, side="left") + 1, 0)
        return Coded(name, codes, [short(end) for end in inner], ordered=True)
    frequent = [value for value, _ in Counter(values[searched].tolist()).most_common(CODES)]
    place = {value: code for code, value in enumerate(frequent, 1)}
    codes = np.fromiter((place.get(value, 0) for value in values.tolist()), np.int64, len(values))
    return Coded(name, codes, [str(value) for value in frequent], ordered=False)


def grown(columns: Sequence[Coded], rise: Floats, part: Part, other: Part, least: int) -> Iterator[tuple[Part, Part]]:
    """Both sides of the best split of a part, and theirs: of the rows that are searched, and of the others alike."""
    split = best_split(columns, rise, part.rows, least)
    if split is None:
        return
    column, code, at, off = split
    inside = column.codes <= code if column.ordered else column.codes == code
    for name, side in ((at, inside), (off, ~inside)):
        names = (*part.names, name)
        found, alike = Part(names, part.rows & side), Part(names, other.rows & side)
        yield found, alike
        if len(names) < DEEP:
            yield from grown(columns, rise, found, alike, least)


def best_split(columns: Sequence[Coded], rise: Floats, rows: Marks, least: int) -> tuple[Coded, int, str, str] | None:
    """The split after which losses vary least within both sides; None where no side has rows enough."""
    best, most = None, 0.0
    values = rise[rows] - rise[rows].mean()
    for column in columns:
        size = len(column.words) + 2
        counts = np.bincount(column.codes[rows], minlength=size)
        sums = np.bincount(column.codes[rows], weights=values, minlength=size)
        if column.ordered:
            counts, sums = counts.cumsum(), sums.cumsum()
        beside = len(values) - counts
        enough = (counts >= least) & (beside >= least)
        # The sum is 0, so that both sides' sums are opposite: what is gained is s²/n of one and of the other.
        gain = np.where(enough, sums**2 * (1 / np.maximum(counts, 1) + 1 / np.maximum(beside, 1)), 0.0)
        for code, at, off in column.sides():
            if gain[code] > most:
                best, most = (column, code, at, off), float(gain[code])
    return best
