"""Drafts for targets and inputs that are no numbers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from cli.drafting.guess import guess
from cli.drafting.source import model_source, schema_source
from errors import InvalidSpec

ROWS = 40


def table(**more: object) -> pl.DataFrame:
    """Rows with a time, an identifier, a number, and more."""
    times = [f"2024-01-01T00:00:{n:02}Z" for n in range(ROWS)]
    numbers = [float(n % 7) for n in range(ROWS)]
    return pl.DataFrame({"at": times, "order_id": [f"o{n}" for n in range(ROWS)], "weight": numbers, **more})


@pytest.mark.parametrize(
    ("words", "objective"),
    [
        (["no", "yes"], 'Binary(classes=("no", "yes"))'),
        (["yes", "no"], 'Binary(classes=("no", "yes"))'),
        (["kept", "kept", "kept", "lost"], 'Binary(classes=("kept", "lost"))'),  # the rarer one is the event
        (["cat", "dog", "bird"], 'Multiclass(classes=("bird", "cat", "dog"))'),
        (['sa"y', "a\\b"], 'Binary(classes=("a\\\\b", "sa\\"y"))'),
    ],
)
def test_words_are_classes(words: list[str], objective: str) -> None:
    """A target of a few words is one of classes, and the draft is Python that can be compiled."""
    rows = table(target=[words[n % len(words)] for n in range(ROWS)])
    found = guess(rows)
    assert found.objective == objective
    compile(model_source(found, "orders", "orders.csv"), "orders.py", "exec")


def test_words_that_never_come_again_are_no_classes() -> None:
    """They are no target that a model could learn."""
    with pytest.raises(InvalidSpec, match="words that come again"):
        guess(table(target=[f"word {n}" for n in range(ROWS)]))


def test_a_flag_is_a_binary_target() -> None:
    """Yes or no as true and false needs no words."""
    assert guess(table(target=[n % 2 == 0 for n in range(ROWS)])).objective == "Binary()"


def test_rows_without_a_time_have_that_of_their_file() -> None:
    """The draft says so, and a person is asked about it."""
    found = guess(table(late=[n % 2 for n in range(ROWS)]).drop("at"))
    assert found.schema.time is None
    assert any(doubt.startswith("time: no column holds times") for doubt in found.doubts)
    assert "    time=None,\n" in model_source(found, "orders", "orders.csv")
    assert "    time=None,\n" in schema_source(found)


SENTENCES = [f"the {n}th parcel came {n % 7} days too late" for n in range(ROWS)]


def test_sentences_that_never_come_again_are_free_text() -> None:
    """They go through a vocabulary of words; short unique texts, and sentences that come again, do not."""
    rows = table(
        late=[n % 2 for n in range(ROWS)], note=SENTENCES, city=[("Ulm am See", "Bonn")[n % 2] for n in range(ROWS)]
    )
    found = guess(rows.with_columns(code=pl.int_range(ROWS).cast(pl.String) + "x"), target="late")
    assert found.schema.text == ("note",)
    assert found.schema.categorical == ("city",)
    assert "code" not in found.schema.inputs
    source = model_source(found, "orders", "orders.csv")
    assert '    text=("note",),\n)' in source
    compile(source, "orders.py", "exec")


@pytest.mark.slow
def test_a_draft_for_free_text_learns_from_words(tmp_path: Path) -> None:
    """The drafted base is built from its rows, and makes finite features of them and of an empty text."""
    import numpy as np

    from learning.catalog import load_spec

    rows = table(late=[n % 2 for n in range(ROWS)], note=SENTENCES)
    (tmp_path / "worded.py").write_text(model_source(guess(rows), "worded", "orders.csv"))
    spec = load_spec("worded", [tmp_path])
    columns = {
        "weight": rows["weight"].to_numpy().reshape(-1, 1).astype("float32"),
        "note": np.array([*SENTENCES[:-1], ""], "object").reshape(-1, 1),
    }
    base = spec.build_base(columns)
    features = np.asarray(base(columns))
    assert features.shape[0] == ROWS
    assert np.isfinite(features).all()
