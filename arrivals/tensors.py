"""Lists of numbers, flat, nested or as JSON text, as the flat arrays that tensor columns are."""

from __future__ import annotations

import polars as pl

from arrivals.times import nothing

INNERMOST = r"\[[^\[\]]*\]"


def as_tensor(raw: pl.Series, kind: pl.Array) -> pl.Series:
    """Lists, nested or flat or as JSON text, as flat float32 in C order; null where the size is another."""
    nulls = nothing(raw, pl.List(pl.Float32()))
    even = pl.Series([True]).new_from_index(0, len(raw))
    lists = _lists(raw) if raw.dtype == pl.String else raw
    while isinstance(lists.dtype, pl.List | pl.Array) and isinstance(lists.dtype.inner, pl.List | pl.Array):
        lists = lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists
        inner = pl.element().list if isinstance(lists.dtype.inner, pl.List) else pl.element().arr  # type: ignore[attr-defined]
        even &= lists.list.eval((inner.len().n_unique() <= 1).fill_null(False)).list.first().fill_null(False)
        lists = lists.list.eval(pl.element().explode())
    if not isinstance(lists.dtype, pl.List | pl.Array) or not lists.dtype.inner.is_numeric():
        return nulls.cast(kind)
    lists = lists.cast(pl.List(pl.Float32), strict=False)
    finite = lists.list.eval(pl.element().is_finite().fill_null(False).all()).list.first()
    fits = even & (lists.list.len() == kind.size) & finite
    return lists.zip_with(fits.fill_null(False), nulls).cast(kind)


def _lists(text: pl.Series) -> pl.Series:
    """Flat lists of the numbers in texts such as "[1, 2]" or "[[1], [2]]"; null where it is no such text, or uneven."""
    whole = text.str.contains(r"^\s*\[.*\]\s*$")
    innermost = text.str.extract_all(INNERMOST).list.eval(pl.element().str.count_matches(",").n_unique() <= 1)
    even = innermost.list.first() & ~text.str.replace_all(INNERMOST, "").str.contains(r"[^\[\],\s]")
    bare = text.str.replace_all(r"(^|,)\s*(?:\[\s*)+", "$1").str.replace_all(r"(?:\s*\])+\s*(,|$)", "$1")
    numbers = bare.str.split(",").list.eval(pl.element().str.strip_chars().cast(pl.Float32, strict=False))
    return numbers.zip_with((whole & even).fill_null(False), nothing(text, numbers.dtype))
