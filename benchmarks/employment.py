"""Who is employed: 277,677 census rows of Massachusetts, 2015 to 2018, as a real stream besides flights.

They are files in NannyML's wheel, `employment_MA`, of the American Community Survey; the library itself is not used.
`make bench-data` fetches the wheel, once. Of a row's time the year alone is known: rows are spread over their year
evenly, in their own order. All inputs but the age are codes of lists, made of digits, and stay text.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import polars as pl

from errors import UnreadableFile

WHEEL = Path(__file__).parent.parent / ".bench-data" / "nannyml-0.13.1-py3-none-any.whl"
IN_IT = "nannyml/datasets/data/employment_MA_{}.pq"
START, MONTHS = datetime(2015, 1, 1, tzinfo=UTC), 48
MONTH = timedelta(days=1461) / MONTHS
AGE = "AGEP"
CODES = (
    "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P",
)  # fmt: skip


@cache
def people(wheel: Path = WHEEL) -> pl.DataFrame:
    """All rows, oldest first: `at`, `id`, the inputs, and `label`, 1.0 for who is employed.

    Raises:
        UnreadableFile: the wheel is not there.
    """
    if not wheel.exists():
        raise UnreadableFile(f"'{wheel.name}'", f"it is not in '{wheel.parent.name}'", "fetch it: `make bench-data`")
    with ZipFile(wheel) as files:
        reference, analysis, target = (
            pl.read_parquet(BytesIO(files.read(IN_IT.format(name))))
            for name in ("reference", "analysis", "analysis_target")
        )
    columns = ("id", "year", AGE, pl.col(CODES).cast(pl.String), "employed")
    labelled = analysis.join(target, on="id", how="inner", validate="1:1")
    rows = pl.concat([part.select(columns) for part in (reference, labelled)])
    begun = pl.datetime("year", 1, 1, time_zone="UTC", time_unit="us")
    long = pl.datetime(pl.col("year") + 1, 1, 1, time_zone="UTC", time_unit="us") - begun
    place = pl.int_range(pl.len()).over("year") / pl.len().over("year")
    return rows.sort("year", "id").select(
        (begun + (long.dt.total_microseconds() * place).cast(pl.Int64).cast(pl.Duration("us"))).alias("at"),
        pl.col("id").cast(pl.String),
        AGE,
        *CODES,
        pl.col("employed").cast(pl.Float64).alias("label"),
    )


def month(number: int) -> pl.DataFrame:
    """What arrives in a month, of 48 that are equally long."""
    return month_of(people(), number)


def month_of(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    """Those of some rows that are of a month."""
    first = START + (number - 1) * MONTH
    return rows.filter(pl.col("at").is_between(first, first + MONTH, closed="left"))
