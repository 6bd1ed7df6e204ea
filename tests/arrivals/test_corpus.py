"""Every odd file of the corpus comes to what is written beside it, alone and among all others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import groupby
from pathlib import Path
from pkgutil import iter_modules

import corpus
import polars as pl
import pytest
from arriving import SPEC, Port
from corpus import Case

from db.arrival_records import LandedRecord

CASES: list[Case] = [
    case for module in iter_modules(corpus.__path__) for case in import_module(f"corpus.{module.name}").CASES
]
GOOD = ".good.parquet"
Counts = tuple[int, int, int, int, int]


def source_of(case: Case) -> str:
    """The source that a case needs, as text that can be compared."""
    return repr(sorted(case.source.items(), key=str))


def counts(file: LandedRecord) -> Counts:
    """What became of a file's rows, after it was seen that they add up."""
    parts = (file.taken, file.duplicates, file.conflicts, file.refused)
    assert file.rows == sum(parts) + file.waiting, file
    return *parts, file.waiting


def expected(case: Case) -> Counts:
    """What must become of a case's rows."""
    return case.taken, case.duplicates, case.conflicts, case.refused, 0


def reasons(port: Port) -> str:
    """Every reason for which a file, or rows of one, were refused."""
    whole = [file.reason for file in port.landed() if file.reason]
    return "\n".join([*whole, *(refusal.reason for refusal in port.registry.refusals(SPEC.name))])


def good(number: int) -> pl.DataFrame:
    """A file of one good row, typed, so that every source reads it alike."""
    at = datetime(2024, 1, 20, tzinfo=UTC) + timedelta(seconds=number)
    return pl.DataFrame({"at": [at], "id": [f"good-{number}"], "speed": [10.0], "city": ["Oslo"], "late": [1.0]})


def names(cases: Iterable[Case]) -> list[str]:
    """What pytest calls the cases; file names that are no UTF-8 are written out."""
    return [os.fsencode(case.file).decode("utf-8", "backslashreplace") for case in cases]


def test_the_corpus_is_large_and_each_of_its_files_is_another() -> None:
    """Two cases of one name would overwrite each other."""
    assert len(CASES) >= 120
    assert max(Counter(case.file for case in CASES).values()) == 1


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_a_file_alone(case: Case, tmp_path: Path) -> None:
    """Its rows are taken, refused with the reason, or known, as many as are written beside it; none is unaccounted."""
    port = Port(tmp_path).with_source(**case.source)
    case.write(port.folder)
    arrived = port.ingest()
    landed = port.landed()
    if case.left:
        assert (landed, bool(arrived.reasons)) == ((), True)
        return
    (file,) = landed
    assert counts(file) == expected(case), reasons(port)
    assert sum(partition.rows for partition in port.partitions()) == case.taken
    assert case.says.lower() in reasons(port).lower()
    assert bool(reasons(port)) == bool(case.says)
    assert (file.reason is not None) == (bool(case.says) and not case.refused and not case.conflicts)
    assert all(len(text) < 1_000 for text in [*arrived.reasons, *arrived.attention])


GROUPS = [list(group) for _, group in groupby(sorted(CASES, key=source_of), key=source_of)]
MANY = 30


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(cases, id=source_of(cases[0]), marks=[pytest.mark.slow] if len(cases) > MANY else [])
        for cases in GROUPS
    ],
)
def test_all_files_together(cases: list[Case], tmp_path: Path) -> None:
    """No odd file takes a row from a good one that lies before or behind it, nor from another odd one."""
    port = Port(tmp_path).with_source(**cases[0].source)
    for number, case in enumerate(cases):
        path = case.write(port.folder)
        if number % 3 == 0:
            good(number).write_parquet(path.with_name(path.name + GOOD))
    port.ingest()
    landed = [(file.uri.endswith(GOOD), counts(file)) for file in port.landed()]
    assert [what for is_good, what in landed if is_good] == [(1, 0, 0, 0, 0)] * len(cases[::3])
    assert Counter(what for is_good, what in landed if not is_good) == Counter(
        expected(case) for case in cases if not case.left
    )
    assert port.ingest().rows == 0
