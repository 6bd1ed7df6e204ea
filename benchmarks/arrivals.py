"""Arrivals, beside bare Polars and pandas: `python -m benchmarks.arrivals`.

Every figure is a ratio of two things that ran in turn in this process. `--rows` changes the size of the big file,
`--memory` takes 20 million rows from one file and from forty, and reports the peak memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from arrivals.contents import FEATURES, LABEL, meaning
from arrivals.ingest import ingest
from arrivals.ingest_result import IngestResult
from arrivals.keys import HIGH, LOW
from arrivals.known_keys import KnownKeys
from arrivals.local_copies import LocalCopy
from arrivals.readers import Wanted, read_file
from arrivals.validation import Validator
from benchmarks.claims import Claims
from db.arrival_records import NewArrival, NewLandedFile, NewPartition
from db.artifacts import ArtifactStore
from db.registry import open_registry
from errors import SchemaMismatch
from learning.objectives import Binary, Regression
from learning.spec import ModelSpec, Schema, Source

NUMBERS = tuple(f"x{column}" for column in range(6))
SCHEMA = Schema(
    time="at",
    key=("id", "at"),
    target="late",
    numeric=NUMBERS,
    categorical=("carrier", "origin"),
    ranges=dict.fromkeys(NUMBERS, (-100.0, 100.0)),
    allowed={"origin": ("EWR", "JFK", "LGA")},
)
SMALL = Schema(time="at", key=("id",), target="late", numeric=("x0",))
KNOWN, KNOWN_ROWS, NEW_FILES, NEW_ROWS = 10_000, 1_000, 16, 6_000  # a week of flights has 6,000 rows
TINY_FILES = 5_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def unbuilt(*_: Any) -> Any:
    """Stand in for a builder: nothing is trained here."""
    raise AssertionError


def spec(schema: Schema) -> ModelSpec:
    """A model whose rows land in `in`."""
    return ModelSpec("bench", schema, Binary(), Source("in", settle=0.0), unbuilt, unbuilt)


def rows(count: int, first: int = 0) -> pl.DataFrame:
    """Good rows, a tenth of a second apart."""
    draw = np.random.default_rng(first)
    micros = START.timestamp() * 1e6 + (first + np.arange(count)) * 100_000
    return pl.DataFrame(
        {
            "at": pl.Series(micros.astype("int64")).cast(pl.Datetime("us", "UTC")),
            "id": first + np.arange(count),
            "carrier": pl.Series(draw.integers(0, 16, count)).cast(pl.String),
            "origin": draw.choice(["EWR", "JFK", "LGA"], count),
            **{name: draw.normal(size=count) for name in NUMBERS},
            "late": draw.integers(0, 2, count).astype(float),
        }
    )


class Place:
    """A landing folder, a registry and a store in a folder of their own."""

    def __init__(self, home: Path, schema: Schema) -> None:
        self.home, self.spec = home, spec(schema)
        self.folder = home / "landing" / "in"
        self.folder.mkdir(parents=True)
        self.registry = open_registry(f"sqlite:///{home / 'registry.db'}")
        self.store = ArtifactStore(str(home / "artifacts"), home / "cache")

    def ingest(self) -> IngestResult:
        """Take what arrived."""
        landing, cache = str(self.home / "landing"), self.home / "cache"
        return ingest(self.spec, self.registry, self.store, landing=landing, cache=cache)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def beside_bare_polars(count: int, home: Path) -> float:
    """Rows a second of an ingest, in those of a bare copy by Polars; the best of three each, in turn."""
    source = home / "big.parquet"
    rows(count).write_parquet(source)
    bare, ours = [], []
    for turn in range(3):
        place = Place(home / f"turn-{turn}", SCHEMA)
        (place.folder / "big.parquet").hardlink_to(source)
        bare.append(seconds(lambda: pl.scan_parquet(source).sink_parquet(home / "copy.parquet")))
        ours.append(seconds(place.ingest))
    return min(bare) / min(ours)


def beside_pandas(count: int) -> float:
    """Rows a second of validating rows as a CSV gives them, in those of the same rules written in pandas."""
    text = rows(count).with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).cast(pl.String)
    text = text.with_columns(x0=pl.when(pl.int_range(count) % 1000 == 0).then(pl.lit("fast")).otherwise("x0"))
    frame = text.to_pandas()
    validator = Validator(SCHEMA, Regression(), Source("in"))
    assert validator.validate(text).rows.height == len(validate_with_pandas(frame))
    ours = min(seconds(lambda: validator.validate(text)) for _ in range(3))
    return min(seconds(lambda: validate_with_pandas(frame)) for _ in range(3)) / ours


def validate_with_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """The rules of SCHEMA: types, nulls, ranges, allowed values, and a reason for each bad row."""
    typed = frame.copy()
    typed["at"] = pd.to_datetime(frame["at"], utc=True, errors="coerce", format="ISO8601")
    faults = {"at is no time": typed["at"].isna(), "id is missing": frame["id"].isna()}
    for name in (*NUMBERS, "late"):
        typed[name] = pd.to_numeric(frame[name], errors="coerce")
        faults[f"{name} is no number"] = typed[name].isna()
        faults[f"{name} is out of range"] = ~typed[name].between(-100, 100) & typed[name].notna()
    faults["origin is not allowed"] = ~frame["origin"].isin(SCHEMA.allowed["origin"])
    faults["carrier is missing"] = frame["carrier"].isna()
    typed["reason"] = np.select(list(faults.values()), list(faults), default="")
    return typed[typed["reason"] == ""]


def beside_few_partitions(home: Path) -> float:
    """Cost of a new file when 10,000 partitions are known, in that when 8 are; keys without time, so all are asked."""
    costs = []
    for known in (8, KNOWN):
        place = Place(home / str(known), SMALL)
        remember(place, known)
        first = known * KNOWN_ROWS
        land(place, first, NEW_FILES)
        place.ingest()  # merges what was only remembered, and warms up
        spent = []
        for turn in range(1, 4):
            land(place, first + turn * NEW_FILES * NEW_ROWS, NEW_FILES)
            spent.append(seconds(place.ingest))
        costs.append(min(spent) - min(seconds(place.ingest) for _ in range(3)))  # less a run without new files
    return costs[1] / costs[0]


def tiny_files(home: Path) -> float:
    """Seconds that 5,000 files of ten rows take."""
    place = Place(home, SMALL)
    for number in range(TINY_FILES):
        frame = rows(10, number * 10).select("at", "id", "x0", "late")
        frame.write_csv(place.folder / f"{number:05}.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
    return seconds(place.ingest)


def beside_the_quick_path(count: int, home: Path) -> float:
    """Seconds to read rows whose notes run over three lines, judged for that, in those of the same rows without."""
    frame = rows(count).with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    plain, noted = home / "plain.csv", home / "noted.csv"
    frame.with_columns(note=pl.lit("Dear all, you know; see you")).write_csv(plain, separator="|")
    frame.with_columns(note=pl.lit('Dear all,\n"you" know;\nsee you')).write_csv(noted, separator="|")
    spent = {path: min(seconds(lambda path=path: read(path)) for _ in range(3)) for path in (plain, noted)}
    return spent[noted] / spent[plain]


def read(path: Path) -> int:
    """Read a CSV file, and count its rows."""
    wanted = Wanted(SCHEMA.columns, ignore=("note",))
    return sum(batch.rows.height for batch in read_file(LocalCopy(path, "csv", path.name, ""), wanted, 400_000))


def beside_a_short_header(home: Path) -> float:
    """Seconds to refuse a header of 1 MB of repeated names, in those for one of 0.25 MB."""
    spent = []
    for size in (250_000, 1_000_000):
        path = home / f"{size}.csv"
        path.write_bytes(b"at," * (size // 3) + b"id\n")
        spent.append(min(seconds(lambda path=path: refused(path)) for _ in range(3)))
    return spent[1] / spent[0]


def refused(path: Path) -> None:
    """Read a file that must be refused."""
    try:
        read(path)
    except SchemaMismatch:
        return
    raise AssertionError(path)


def remember(place: Place, known: int) -> None:
    """Make the registry and the known keys cover partitions that were never written."""
    folder, means = place.home / "cache" / "keys", meaning(place.spec.schema)
    keys = KnownKeys(folder, unbuilt, meaning=means, by_time=False)
    draw = np.random.default_rng(0)
    for number in range(known):
        high = np.sort(draw.integers(0, 2**64 - 1, KNOWN_ROWS, dtype=np.uint64))
        keys.write(f"{number:064}", pl.DataFrame({HIGH: high, LOW: high, FEATURES: high, LABEL: high}))
    keys.save()
    partitions = tuple(
        NewPartition(
            model="bench", digest=f"{number:064}", source_uri="known", uri="known", sha256="0" * 64, bytes=0,
            rows=KNOWN_ROWS, holdout_rows=0, labelled_rows=KNOWN_ROWS,
            time_from=START - timedelta(days=2), time_to=START - timedelta(days=1),
        )
        for number in range(known)
    )  # fmt: skip
    total = known * KNOWN_ROWS
    landing = NewLandedFile("known", "known", "known", "known", rows=total, taken=total)
    place.registry.add_model("bench")
    place.registry.record_arrival(NewArrival("bench", 0, landing, partitions))


def land(place: Place, first: int, files: int) -> None:
    """Land files of new rows."""
    for number in range(files):
        start = first + number * NEW_ROWS
        frame = rows(NEW_ROWS, start).select("at", "id", "x0", "late")
        frame.write_csv(place.folder / f"{start:012}.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")


def memory() -> None:
    """Take 20 million rows from one Parquet file, then from 40, each in a process of its own."""
    peaks = {}
    for files in (1, 40):
        made = [sys.executable, "-m", "benchmarks.arrivals", "--peak", str(files)]
        spent, peak = subprocess.run(made, check=True, capture_output=True, text=True).stdout.split()
        peaks[files] = float(peak)
        print(f"# 20 million rows in {files} files: {spent} s, peak memory {float(peak) / 2**30:.2f} GiB", flush=True)
    claims = Claims()
    claims.at_most("peak memory of 20 million rows in one file", peaks[1] / 1e9, 1.5, "GB")
    claims.at_most("peak memory of as many rows in 40 files, beside one", peaks[40] / peaks[1], 1.1)
    sys.exit(claims.exit_code)


def peak(files: int) -> None:
    """Take 20 million rows from so many files, and print the seconds and the peak memory in bytes."""
    with TemporaryDirectory() as folder:
        place = Place(Path(folder), SCHEMA)
        made = [sys.executable, "-c", MAKE.format(folder=place.folder, files=files)]
        subprocess.run(made, check=True)  # in a process of its own, whose memory is not ours
        spent = seconds(place.ingest)
        print(f"{spent:.0f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}")


MAKE = """
import polars as pl
from benchmarks.arrivals import rows
each = 20_000_000 // {files}
for file in range({files}):
    parts = [rows(500_000, first) for first in range(file * each, (file + 1) * each, 500_000)]
    pl.concat(parts).write_parquet(rf"{folder}/{{file:02}}.parquet")
"""


def main() -> None:
    """Measure, print a line a claim, and exit with 1 if one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(options.peak)
        return
    if options.memory:
        memory()
    claims = Claims()
    with TemporaryDirectory() as folder:
        bare = beside_bare_polars(options.rows, Path(folder))
    claims.at_least("ingest: rows/s beside a bare scan_parquet().sink_parquet()", bare, 0.3)
    claims.at_least("validation: rows/s beside the same rules in pandas", beside_pandas(500_000), 5.0)
    with TemporaryDirectory() as folder:
        few = beside_few_partitions(Path(folder))
        careful = beside_the_quick_path(options.rows // 8, Path(folder))
        header = beside_a_short_header(Path(folder))
    claims.at_most("cost of a new file: 10,000 partitions known beside 8", few, 1.5)
    with TemporaryDirectory() as folder:
        tiny = tiny_files(Path(folder))
    claims.at_most("5,000 files of ten rows", tiny, 60.0, "s")
    claims.at_most("careful reading of a file with multi-line fields, beside the quick path", careful, 3.0)
    claims.at_most("a header of 1 MB beside one of 0.25 MB", header, 5.0)
    sys.exit(claims.exit_code)


if __name__ == "__main__":
    main()
