"""Targets that arrive as words: kept as they came, learned by their place, refused where nobody knows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from arriving import SPEC, Port, line

from learning.data import PartitionFile, select
from learning.objectives import Binary, Multiclass

LATE = Binary(classes=("no", "yes"))


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """Rows that are late, or not, in words."""
    return Port(tmp_path, replace(SPEC, objective=LATE))


def labels(port: Port) -> list[float]:
    """What a training would learn of every row, in the order of the partitions."""
    files = [PartitionFile(p.digest, Path(port.store.fetch(p.artifact))) for p in port.partitions()]
    return [label for part in select(port.spec.schema, files, "all") for label in part.target.tolist()]


def test_words_are_kept_as_they_came_and_learned_by_their_place(port: Port) -> None:
    """The second word is the event; a row without a word is one whose label is not known."""
    port.land("a.csv", line(1, late="no"), line(2, late="yes"), line(3, late=""))
    port.ingest()
    assert port.every_row().sort("id")["late"].to_list() == ["no", "yes", None]
    assert labels(port) == [0.0, 1.0]
    assert port.partitions()[0].labelled_rows == 2


def test_an_unknown_word_costs_its_row_and_is_not_told(port: Port) -> None:
    """The reason names the column and the classes, and not what stood there."""
    port.land("a.csv", line(1, late="no"), line(2, late="maybe"), line(3, late="1"))
    result = port.ingest()
    assert (result.refused, port.every_row().height) == (2, 1)
    assert [refusal.reason for refusal in port.registry.refusals("small")] == ["late is none of the classes no, yes"]


def test_the_same_word_again_is_a_duplicate_and_another_one_a_conflict(port: Port) -> None:
    """As with numbers."""
    port.land("a.csv", line(1, late="no"), line(2, late="yes"))
    port.ingest()
    port.land("b.csv", line(1, late="no"), line(2, late="no"))
    result = port.ingest()
    assert (result.duplicates, result.conflicts) == (1, 1)
    assert port.landed()[-1].conflicts == 1


def test_a_word_that_comes_later_is_the_label_of_its_row(port: Port) -> None:
    """The row is stored once more, with the word and not with its place."""
    late = port.with_source(labels="labels")
    late.land("a.csv", line(1, late=""), line(2, late="no"))
    late.ingest()
    (late.home / "landing" / "labels" / "l.csv").write_text(f"at,id,late\n{line(1).split(',')[0]},1,yes\n")
    late.ingest()
    again = late.rows(next(p for p in late.partitions() if p.kind == "labels"))
    assert again["late"].to_list() == ["yes"]


def test_a_corrected_word_replaces_the_one_that_was_taken(port: Port) -> None:
    """Where the source says that corrections replace."""
    mended = port.with_source(corrections="replace")
    mended.land("a.csv", line(1, late="no"))
    mended.ingest()
    mended.land("b.csv", line(1, late="yes", speed="11"))
    mended.ingest()
    assert mended.rows(mended.partitions()[-1])["late"].to_list() == ["yes"]


def test_words_in_another_order_find_their_rows_again(port: Port) -> None:
    """What is known of old rows is worked out anew, by the words that were stored."""
    port.land("a.csv", line(1, late="no"), line(2, late="yes"))
    port.ingest()
    port.registry.close()
    turned = replace(port, spec=replace(port.spec, objective=Binary(classes=("yes", "no"))))
    turned.land("b.csv", line(1, late="no"), line(2, late="yes"))
    assert turned.ingest().duplicates == 2
    assert labels(turned) == [1.0, 0.0]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_flags_and_numbers_are_classes_by_their_text(form: str, tmp_path: Path) -> None:
    """True and 3 arrive as such from Parquet and JSON Lines, and are named "true" and "3"."""
    port = Port(tmp_path, replace(SPEC, objective=Multiclass(classes=("1", "3", "true"))))
    times = [f"2024-01-01T00:00:0{n}Z" for n in range(2)]
    for name, values in {"numbers": [1, 3], "flags": [True, True]}.items():
        ids = [f"{name}{n}" for n in range(2)]
        frame = pl.DataFrame({"at": times, "id": ids, "speed": [1.0, 2.0], "city": ["Oslo"] * 2, "late": values})
        path = port.folder / f"{name}.{form}"
        frame.write_parquet(path) if form == "parquet" else frame.write_ndjson(path)
    port.ingest()
    assert sorted(port.every_row()["late"].to_list()) == ["1", "3", "true", "true"]


def test_a_flag_is_a_target_as_it_is(tmp_path: Path) -> None:
    """Without words, true is 1 and false is 0, in CSV and in Parquet."""
    port = Port(tmp_path)
    port.land("a.csv", line(1, late="true"), line(2, late="False"))
    frame = pl.read_csv((port.folder / "a.csv").read_bytes()).with_columns(pl.lit(value=True).alias("late"))
    frame.with_columns(pl.col("id") + 10).write_parquet(port.folder / "b.parquet")
    port.ingest()
    assert sorted(labels(port)) == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(("before", "after"), [(Binary(), LATE), (LATE, Binary())])
def test_labels_of_another_kind_are_not_known_and_stop_nothing(before: Binary, after: Binary, tmp_path: Path) -> None:
    """A model that learns words, or numbers, from now on reads its old rows as rows without a label."""
    port = Port(tmp_path, replace(SPEC, objective=before))
    port.land("a.csv", line(1, late=before.names[1] if before.names else "1"))
    port.ingest()
    port.registry.close()
    changed = replace(port, spec=replace(port.spec, objective=after))
    changed.land("b.csv", line(2, late=after.names[1] if after.names else "1"))
    changed.ingest()
    assert labels(changed) == [1.0]
