"""The corpus of values, each file by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from arriving import Port
from corpus import Case
from corpus.values import CASES


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_a_file_comes_to_what_it_must(case: Case, tmp_path: Path) -> None:
    """Its rows are taken, or refused with the right words, and the counts add up."""
    port = Port(tmp_path).with_source(**case.source)
    case.write(port.folder)
    arrived = port.ingest()
    taken = sum(partition.rows for partition in arrived.partitions)
    said = "; ".join(
        [*(str(file.reason) for file in port.landed()), *(one.reason for one in port.registry.refusals("small"))]
    )
    assert (taken, arrived.duplicates, arrived.refused) == (case.taken, case.duplicates, case.refused), said
    assert case.says in said
    assert arrived.rows == case.taken + case.duplicates + case.conflicts + case.refused


def test_all_files_together_come_to_the_same(tmp_path: Path) -> None:
    """No file changes what becomes of another."""
    for number, source in enumerate({repr(case.source): case.source for case in CASES}.values()):
        cases = [case for case in CASES if case.source == source]
        port = Port(tmp_path / str(number)).with_source(**source)
        for case in cases:
            case.write(port.folder)
        arrived = port.ingest()
        counted = {Path(file.uri).name: (file.taken, file.duplicates, file.refused) for file in port.landed()}
        assert counted == {case.file: (case.taken, case.duplicates, case.refused) for case in cases}
        assert arrived.files == len(cases)
