"""CSV and JSON as their standards have them: what is whole is taken, damage costs itself, and both readings agree."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from arriving import SPEC, Port
from corpus import Case
from corpus.text import CASES

from arrivals.listing import ListedFile
from arrivals.local_copies import local_copy
from arrivals.readers import Wanted, read_file
from errors import ArrivalError


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_each_odd_text_becomes_what_it_must(case: Case, tmp_path: Path) -> None:
    """Rows are taken or refused as the corpus says, and a sentence says why."""
    port = Port(tmp_path).with_source(**case.source)
    case.write(port.folder)
    arrived = port.ingest()
    files = [str(record.reason) for record in port.landed() if record.reason]
    said = "; ".join([*files, *(refusal.reason for refusal in port.registry.refusals("small"))])
    assert (sum(part.rows for part in arrived.partitions), arrived.refused) == (case.taken, case.refused), said
    assert case.says in said
    assert bool(case.says) == bool(said)
    assert arrived.rows == case.taken + case.refused


def read(case: Case, folder: Path, *, careful: bool) -> tuple[list[tuple[str | None, ...]], list[tuple[str, ...]], str]:
    """The rows, the refused records and the reason for refusing the file, in one of the two ways."""
    path = case.write(folder)
    columns, ignore = SPEC.schema.columns, tuple(case.source.get("ignore", ()))
    wanted = Wanted(columns, ("speed", "late") if ".json" in case.file else (), ignore)
    rows, refused, why = pl.DataFrame(), pl.DataFrame(), ""
    try:
        with local_copy(ListedFile(str(path), "", path.stat().st_size), folder / "work") as copy:
            for batch in read_file(copy, wanted, 50_000, careful=careful):
                rows = pl.concat([rows, batch.rows]) if rows.width else batch.rows
                if batch.refused is not None:
                    refused = pl.concat([refused, batch.refused]) if refused.width else batch.refused
    except ArrivalError as error:
        why = error.why
    return rows.rows(), refused.rows(), why


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_the_quick_and_the_careful_reading_agree(case: Case, tmp_path: Path) -> None:
    """Judging blocks and judging every record give the same values, the same refusals, the same sentence."""
    assert read(case, tmp_path, careful=False) == read(case, tmp_path, careful=True)
