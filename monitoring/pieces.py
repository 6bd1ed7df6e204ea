"""What arrived, cut into pieces: a fault of one day of seven, or of one file of many, is averaged away in the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitoring.faults import ENOUGH, FEW, arrived, faults
from monitoring.usual import BLOCK, known_columns

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from monitoring.drift import Compared, Side
    from monitoring.usual import KnownColumns

NAMED = 3  # pieces in a sentence
PART = 0.2  # of a usual piece's rows, from which what arrived counts as one


@dataclass(frozen=True)
class Cut:
    """One way in which the rows of a side are cut: into time blocks, or into the partitions that they arrived in.

    Args:
        piece: number of each row's piece, shape (rows,).
        names: where each piece is, as a sentence has it: "on 2013-07-03".
    """

    piece: NDArray[np.int64]
    names: Sequence[str]

    @property
    def pieces(self) -> int:
        """How many there are."""
        return len(np.unique(self.piece))


def faults_of(reference: Side, current: Side, growing: Mapping[Compared, str | None]) -> dict[str, str]:
    """What is wrong with each column that is broken, in all that arrived or in a piece, by the column's name.

    Args:
        reference: what is known.
        current: what arrived.
        growing: the columns, each with a remark if it only grows.
    """
    columns, only_grow = tuple(growing), [c.name for c, remark in growing.items() if remark]
    known = known_columns(columns, reference.values, reference.block, only_grow)
    together = arrived(columns, current.values)
    whole = current.rows_a_block >= PART * reference.rows_a_block > PART
    wrong = {name: pieces[0] for name, pieces in faults(known, together, lambda _: whole).items()}
    cuts = [
        (cut, _broken_pieces(known, together, (one.piece, cut.piece), (reference, current)))
        for one, cut in zip(reference.cuts, current.cuts, strict=False)
    ]
    found = {
        name: _said(wrong.get(name), [(cut, broken.get(name, {})) for cut, broken in cuts]) for name in known.columns
    }
    return {name: sentence for name, sentence in found.items() if sentence}


def _said(wrong: str | None, cuts: Sequence[tuple[Cut, Mapping[int, str]]]) -> str | None:
    """What is wrong with a column, and where, if only pieces of it are broken; of each cut, these are given."""
    where, first = list[str](), ""
    for cut, pieces in cuts:
        if pieces and len(pieces) < max(cut.pieces, 2) and (not wrong or 2 * len(pieces) <= cut.pieces):
            where.append(_listed([cut.names[number] for number in pieces]))
            first = first or next(iter(pieces.values()))
    if not where or wrong:
        return f"{wrong} ({', '.join(where)})" if where else wrong
    return f"{', '.join(where)}, {first}"


def _broken_pieces(
    known: KnownColumns,
    rows: pl.DataFrame,
    cut: tuple[NDArray[np.int64], NDArray[np.int64]],
    sides: tuple[Side, Side],
) -> dict[str, dict[int, str]]:
    """What is wrong with single pieces, by column and number, where the reference has pieces like them.

    A piece of much less than a usual one is not judged: the first hour of a day is no day. And where there are fewer
    pieces to compare with than arrived, nobody knows what a piece of this kind is like: all that came before may have
    come in one file.
    """
    import polars as pl

    old, new = cut
    before, there = (len(np.unique(piece)) for piece in cut)
    if there < 2 or before < there:
        return {}
    # Of a few days nobody knows how far a day may lie outside of them, or whether a clear one has one visibility.
    many = before >= FEW
    reference, current = sides
    usually = reference.drawn_from / before
    each = current.drawn_from / len(rows)  # rows for which one that was drawn stands
    places, counts = np.unique(new, return_counts=True)
    judged = np.isin(new, places[(counts * each >= PART * usually) & (counts >= ENOUGH)])
    if not judged.any():
        return {}
    kept = rows.with_columns(pl.Series(BLOCK, new)).filter(judged)
    usual_pieces = known.cut(old, known.growing if many else frozenset(known.columns))
    return faults(usual_pieces, kept, lambda count: many and count * each >= PART * usually > PART)


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence, a few of them.

    Example:
        >>> _listed(["on 2013-07-03", "on 2013-07-04", "on 2013-07-05", "on 2013-07-06"])
        'on 2013-07-03, on 2013-07-04, on 2013-07-05 and 1 more'
    """
    told = ", ".join(names[:NAMED])
    return told if len(names) <= NAMED else f"{told} and {len(names) - NAMED} more"


def day_names(starts: pl.Series) -> tuple[str, ...]:
    """Where each time block is, by its start: a day or longer by its date, a shorter one by its time.

    Example:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> day_names(pl.Series([datetime(2013, 7, 3), datetime(2013, 7, 4)]))
        ('on 2013-07-03', 'on 2013-07-04')
    """
    midnight = bool((starts.dt.truncate("1d") == starts).all())
    return tuple(f"on {start}" for start in starts.dt.to_string("%Y-%m-%d" if midnight else "%Y-%m-%d at %H:%M"))
