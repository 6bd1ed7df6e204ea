"""Columns that are broken: so far off that no world moves like that, so something on the way here is at fault.

The rules know no chance and no setting. Each compares with what the reference's own time blocks were like at their
oddest, so that what a column does now and then is no fault. They judge all that arrived, and each piece of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.usual import BLOCK, HALF, ROWS, SPOKEN, as_values, infinite_values, outside_of

if TYPE_CHECKING:
    import polars as pl

    from monitoring.drift import Compared
    from monitoring.usual import Column, KnownColumns, Usual

INFINITE = "{}/infinite"  # name of the column that says it of another one
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


def faults(known: KnownColumns, current: pl.DataFrame, whole: Callable[[int], bool]) -> dict[str, dict[int, str]]:
    """What is wrong with pieces of columns, as the end of a sentence, by the column's name and the piece's number.

    Args:
        known: how the columns were.
        current: how they are, as `arrived` gives them, with the number of each row's piece.
        whole: whether a piece of so many rows is about a time block or more.
    """
    found: dict[str, dict[int, str]] = {}
    for name, number, piece in _pieces(known, current, whole):
        if wrong := _fault(known.usual[name], piece):
            found.setdefault(name, {})[number] = wrong
    return found


def arrived(columns: Sequence[Compared], values: pl.DataFrame) -> pl.DataFrame:
    """Columns that arrived, as `as_values` gives them, and beside each number which of them are infinite.

    All rows are of one piece, 0, until they are cut.
    """
    import polars as pl

    infinite = infinite_values(columns, values).rename(INFINITE.format)
    return as_values(columns, values).with_columns(*infinite, pl.lit(0, pl.Int64).alias(BLOCK))


def _fault(known: Usual, piece: Piece) -> str | None:
    """The first thing that is wrong with a piece."""
    if piece.infinite and not known.column.infinite:
        return f"{piece.infinite:,} of its values are infinite"
    if known.column.role == "prediction":
        return "all of its values are missing" if piece.rows >= ENOUGH and not piece.known else None
    missing = None if known.column.role == "target" else _missing(known, piece)
    if missing or min(known.column.values.count(), piece.known) < ENOUGH:
        return missing
    constant = _constant(known, piece) if piece.whole and piece.single else None
    if constant or known.column.role == "feature":
        return constant
    return _another_scale(known, piece) if known.column.kind == "number" else _unseen(known, piece)


def _pieces(
    known: KnownColumns, current: pl.DataFrame, whole: Callable[[int], bool]
) -> Iterator[tuple[str, int, Piece]]:
    """Every piece that has enough rows to be judged, with its column and its number: all of them asked at once."""
    import polars as pl

    asked = {name: one for name, one in known.columns.items() if one.role != "prediction" or one.values.count()}
    figures = [pl.struct(_figures(name, column)).alias(name) for name, column in asked.items()]
    found = current.group_by(BLOCK).agg(pl.len().alias(ROWS), *figures).sort(BLOCK)
    for one in found.iter_rows(named=True):
        number, rows = one.pop(BLOCK), one.pop(ROWS)
        for name, piece in one.items():
            if rows >= ENOUGH or piece["infinite"]:
                filled = {figure: value for figure, value in piece.items() if value is not None}
                yield name, number, Piece(rows, whole=whole(rows), **filled)


def _figures(name: str, column: Column) -> list[pl.Expr]:
    """What is asked of each piece of a column, by the names that `Piece` has for it."""
    import polars as pl

    value = pl.col(name)
    figures = {"known": value.count(), "single": value.drop_nulls().n_unique() <= 1}
    if column.kind == "number":
        sized = value.filter(value != 0).abs()
        figures |= {"size": sized.median(), "sized": sized.len(), "outside": outside_of(value, *column.ends).mean()}
        figures |= {"infinite": pl.col(INFINITE.format(name)).sum()}
    else:
        figures |= {"infinite": pl.lit(0), "unseen": (~value.drop_nulls().is_in(column.seen)).mean()}
    return [figure.alias(called) for called, figure in figures.items()]


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
    width = known.column.ends[1] - known.column.ends[0]
    if known.grows or not width or piece.outside < width:
        return None
    further = piece.outside - known.outside
    if further < (TIMES if known.column.mostly_one else 1) * width:
        return None
    return f"its values lie, on average, {further / width:,.1f} times the width of all earlier values outside of them"


def _unseen(known: Usual, piece: Piece) -> str | None:
    """Many rows have categories that are new, beyond what was ever new in a block of the reference."""
    if piece.unseen < MORE or piece.unseen < known.new + MORE or not surely_more(piece.unseen, known.new, piece.known):
        return None
    never = f"{piece.unseen:.0%} of its values are categories never seen before"
    return f"{never}, and at most {known.new:.0%} of a block's were"
