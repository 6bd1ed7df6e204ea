"""Columns that are broken: so far off that no world moves like that, so something on the way here is at fault.

The rules know no chance and no setting. Each compares with what the reference's own time blocks were like at their
oddest, so that what a column does now and then is no fault. They judge all that arrived, and each piece of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitoring.usual import HALF, SPOKEN, Rows, Usual, is_infinite, outside_of, usual

if TYPE_CHECKING:
    import polars as pl

ENOUGH = 30  # values, below which nothing is called broken
MORE = 0.25  # of the rows, beyond the oddest block: without a value, or with one that was never seen
UNLIKELY = 1e-6  # chance of a constant, or of so large a share, were each row drawn as in the block most like it
FEW = 20  # of fewer blocks, none may have had one value in most of its rows: a dry week is no fault
TIMES = 100  # as large, or as small, as in the oddest block: another unit


@dataclass(frozen=True)
class Piece:
    """What is known of a column in one piece of what arrived.

    Args:
        rows: how many it has.
        known: those with a value.
        infinite: those with an infinite one.
        single: whether all values are one.
        size: median of the absolute values that are not 0; None without such.
        sized: how many these are.
        outside: how far values lie outside of the reference's, on average.
        unseen: share of the values that the reference never had.
        whole: whether it is about a time block or more. An hour has one hour, and a day is one weekday: of less than
            a block, or of rows without blocks, that all values are the same says nothing.
    """

    rows: int
    known: int
    infinite: int
    single: bool
    size: float | None = None
    sized: int = 0
    outside: float = 0.0
    unseen: float = 0.0
    whole: bool = True


def fault(  # noqa: PLR0913 - the last two by name
    kind: str, role: str, reference: Rows, current: Rows, *, grows: bool = False, whole: bool = True
) -> str | None:
    """What is wrong with the current values of a column, as the end of a sentence; None if nothing is."""
    return faults(usual(kind, role, reference, grows=grows), arrived(kind, current.values), lambda _: whole).get(0)


def faults(known: Usual, current: pl.DataFrame, whole: Callable[[int], bool]) -> dict[int, str]:
    """What is wrong with each piece of a column, as the end of a sentence, by the piece's number.

    Args:
        known: how the column was.
        current: how it is, as `arrived` gives it, with the number of each row's piece as `block`.
        whole: whether a piece of so many rows is about a time block or more.
    """
    if known.role == "prediction" and not known.rows.values.count():
        return {}
    found = ((number, _fault(known, piece)) for number, piece in _pieces(known, current, whole))
    return {number: wrong for number, wrong in found if wrong}


def arrived(kind: str, values: pl.Series) -> pl.DataFrame:
    """The values of a column that arrived, null where there is none or none that is finite, and which are infinite.

    All rows are of one piece, `block` 0, until they are cut.
    """
    import polars as pl

    rows = Rows(values, np.zeros(len(values), dtype=np.int64))
    infinite = is_infinite(values) if kind == "number" else pl.repeat(value=False, n=len(values), eager=True)
    return pl.DataFrame({"value": rows.as_values(kind).values, "block": rows.block, "infinite": infinite})


def _fault(known: Usual, piece: Piece) -> str | None:
    """The first thing that is wrong with a piece."""
    if piece.infinite and not known.infinite:
        return f"{piece.infinite:,} of its values are infinite"
    if known.role == "prediction":
        return "all of its values are missing" if piece.rows >= ENOUGH and not piece.known else None
    missing = None if known.role == "target" else _missing(known, piece)
    if missing or min(known.rows.values.count(), piece.known) < ENOUGH:
        return missing
    constant = _constant(known, piece) if piece.whole and piece.single else None
    if constant or known.role == "feature":
        return constant
    return _another_scale(known, piece) if known.kind == "number" else _unseen(known, piece)


def _pieces(known: Usual, current: pl.DataFrame, whole: Callable[[int], bool]) -> Iterator[tuple[int, Piece]]:
    """Every piece that has enough rows to be judged, with its number."""
    import polars as pl

    value = pl.col("value")
    figures = {"rows": pl.len(), "known": value.count(), "single": value.drop_nulls().n_unique() <= 1}
    if known.kind == "number":
        sized = value.filter(value != 0).abs()
        figures |= {"size": sized.median(), "sized": sized.len(), "outside": outside_of(*known.ends).mean()}
    else:
        figures |= {"unseen": (~value.drop_nulls().is_in(known.seen)).mean()}
    found = current.group_by("block").agg(infinite=pl.col("infinite").sum(), **figures).sort("block")
    for one in found.filter((pl.col("rows") >= ENOUGH) | (pl.col("infinite") > 0)).iter_rows(named=True):
        number = one.pop("block")
        filled = {name: figure for name, figure in one.items() if figure is not None}
        yield number, Piece(**filled, whole=whole(one["rows"]))


def surely_more(share: float, usually: float, count: int) -> bool:
    """Whether a share lies above what is usual by more than chance explains, among so many (Chernoff's bound).

    Example:
        >>> surely_more(0.6, 0.3, 30), surely_more(0.6, 0.3, 300)
        (False, True)
    """
    if usually <= 0 or share <= usually:
        return share > usually
    here = share * math.log(share / usually)
    rest = (1 - share) * math.log((1 - share) / (1 - usually)) if share < 1 else 0.0
    return count * (here + rest) > -math.log(UNLIKELY)


def _missing(known: Usual, piece: Piece) -> str | None:
    """Many rows have no value, beyond the block of the reference that had fewest."""
    share = 1 - piece.known / piece.rows
    # Here and below: what is asked of the piece alone comes first, as it takes longest to know how each block was.
    if piece.rows < ENOUGH or share < MORE:
        return None
    if share < known.missing + MORE or not surely_more(share, known.missing, piece.rows):
        return None
    if not piece.known:
        return f"it has no value, and at most {known.missing:.0%} of a block's rows had none"
    return f"{share:.0%} of its values are missing, and at most {known.missing:.0%} of a block's were"


def _constant(known: Usual, piece: Piece) -> str | None:
    """All rows have one value, and no block of the reference came near that."""
    most = float(known.same.max(initial=1e-9))
    if most**piece.known >= UNLIKELY or (len(known.same) < FEW and most > HALF):
        return None
    return f"all of its {piece.known:,} values are the same, and at most {most:.0%} of a block's were"


def _another_scale(known: Usual, piece: Piece) -> str | None:
    """Values are of another unit, or lie far outside of all that was there."""
    if len(known.sizes) and piece.size is not None and piece.sized >= SPOKEN:
        low, high = float(known.sizes.min()), float(known.sizes.max())
        if piece.size > TIMES * high:
            return f"its values are {piece.size / high:,.0f} times as large as they ever were"
        if piece.size < low / TIMES:
            return f"its values are {low / piece.size:,.0f} times as small as they ever were"
    width = known.ends[1] - known.ends[0]
    if known.grows or not width or piece.outside < width:
        return None
    further = piece.outside - known.outside
    if further < (TIMES if known.mostly_one else 1) * width:
        return None
    return f"its values lie, on average, {further / width:,.1f} times the width of all earlier values outside of them"


def _unseen(known: Usual, piece: Piece) -> str | None:
    """Many rows have categories that are new, beyond what was ever new in a block of the reference."""
    if piece.unseen < MORE or piece.unseen < known.new + MORE or not surely_more(piece.unseen, known.new, piece.known):
        return None
    never = f"{piece.unseen:.0%} of its values are categories never seen before"
    return f"{never}, and at most {known.new:.0%} of a block's were"
