"""A run says when much of what arrives is nothing that the base was adapted to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from monitoring.ageing import aged
from monitoring.samples import Sample

ROWS = 400


def sample(seed: int, words: range, scale: float = 1.0) -> Sample:
    """Rows of four days: a word, a number, and a text that is another one in every row."""
    draw, start = np.random.default_rng(seed), datetime(2024, 1, 1, tzinfo=UTC)
    values = pl.DataFrame(
        {
            "word": [f"w{number}" for number in draw.choice(words, ROWS)],
            "number": scale * draw.normal(size=ROWS),
            "text": [f"{seed} {number}" for number in range(ROWS)],
        }
    )
    blocks = np.repeat(np.arange(4), ROWS // 4)
    return Sample(values, np.arange(ROWS), blocks, None, start, start + timedelta(days=4), ROWS, ROWS)


def said(now: Sample) -> str:
    """What is said of rows that arrived, for a base that was built from eight words and numbers around zero."""
    return aged(sample(1, range(8)), now, ("word", "text"), ("number",))


def test_rows_like_those_it_was_built_from_are_no_news() -> None:
    """Chance alone says nothing, and neither does free text, in which every value is new."""
    assert said(sample(2, range(8))) == ""


def test_words_that_were_not_there_are_told_with_their_share() -> None:
    """Two of eight are a quarter of the rows; one of fifty is none worth a word. No value is quoted."""
    told = said(sample(2, range(2, 10)))
    assert told.endswith("of 'word' are words that were not there")
    assert 20 <= int(told.split("%")[0]) <= 30
    assert "w9" not in told
    assert aged(sample(1, range(50)), sample(2, range(1, 51)), ("word",), ()) == ""


def test_numbers_outside_of_the_range_are_told() -> None:
    """Three times as wide, a third of them lies outside; nulls are no numbers."""
    now = sample(2, range(8), scale=3.0)
    assert "'number' lie outside of the range that it was scaled to" in said(now)
    assert said(sample(2, range(8), scale=1.2)) == ""
    worst = aged(sample(1, range(8)), sample(2, range(20, 28), scale=3.0), ("word",), ("number",))
    assert worst.startswith("100% of 'word'")
