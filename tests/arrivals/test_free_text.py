"""Free text in a landing: taken as it is, however long, up to fifty pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from arriving import SPEC, Port

from arrivals.validation import LONGEST_TEXT
from errors import InvalidSpec
from learning.data import PartitionFile, read_inputs
from learning.schema import Schema

SCHEMA = Schema(time=None, key=("id",), target="late", text=("review",), nullable=("review",))
LINES = 'He said: "no"\nand left, for good'


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A model whose only input is a text."""
    return Port(tmp_path, replace(SPEC, schema=SCHEMA))


def test_a_text_may_have_lines_quotes_and_pages(port: Port) -> None:
    """The base gets it as it was written; what is missing is empty."""
    texts = [LINES, "word " * 15_000, None]
    rows = pl.DataFrame({"id": ["1", "2", "3"], "review": texts, "late": [0, 1, 0]})
    rows.write_csv(port.folder / "a.csv")
    assert port.ingest().refused == 0
    (partition,) = port.partitions()
    file = PartitionFile(partition.digest, Path(port.store.fetch(partition.artifact)))
    read = read_inputs(SCHEMA, file)["review"]
    assert read.shape == (3, 1)
    assert set(read.ravel()) == {*texts[:2], ""}


def test_a_text_that_nobody_could_read_costs_its_row(port: Port) -> None:
    """The reason tells the limit, and nothing of the text."""
    port.land("a.csv", f"1,{'x' * (LONGEST_TEXT + 1)},0", "2,short,1", header="id,review,late")
    assert port.ingest().refused == 1
    assert [r.reason for r in port.registry.refusals("small")] == ["review is longer than 100,000 characters"]


def test_batches_of_texts_are_smaller(tmp_path: Path) -> None:
    """A batch that is read at once leaves room for long ones."""
    from arrivals.intake import Intake
    from arrivals.partition_files import PartitionFiles

    port = Port(tmp_path, replace(SPEC, schema=SCHEMA))
    numbers = replace(port.spec, schema=replace(SCHEMA, text=(), nullable=(), numeric=("review",)))
    port.registry.add_model("small")
    with PartitionFiles(port.store, tmp_path / "work") as files:
        few, many = (Intake(one, port.registry, files, tmp_path, None).batch_rows for one in (port.spec, numbers))
    assert few < many // 10


def test_a_column_is_text_or_a_category_and_not_both() -> None:
    """Each input is of one kind."""
    with pytest.raises(InvalidSpec, match="twice"):
        replace(SCHEMA, categorical=("review",))
