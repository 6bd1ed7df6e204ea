"""Have the arrived rows drifted away from what the champion learned from? Evidently measures, this file decides.

Evidently's default test looks at the size of the reference only, so small arrivals raise false alarms on nearly
every check, and large ones on differences that matter to nobody. Here a column has drifted when its distance is
larger than chance explains at these very sample sizes, and larger than the policy's `min_effect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from db.verdict_records import DriftColumn, Window
from errors import NotEnoughData
from monitoring.report_page import labels, lock, relabelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

    from learning.spec import DriftPolicy, Schema

RESAMPLES = 1000  # pairs of resampled windows from which a threshold is read
GRID = 256  # quantiles that stand for a column's values there: quick, but values rarer than one in 256 are smoothed
BARS, DRAWABLE = 100, 1e12  # of a histogram, and a number around which they all fit
MIN_ROWS = 30  # a window smaller than this says nothing about a distribution


@dataclass(frozen=True)
class Compared:
    """One column to compare."""

    name: str
    kind: Literal["number", "category"]
    role: Literal["input", "target", "prediction", "feature"]


@dataclass(frozen=True)
class Side:
    """The rows of one side of a check.

    Args:
        values: a column for each compared one; perhaps only a sample of the rows.
        block: number of the time block of each row, shape (rows,).
        entity: number of the entity of each row, shape (rows,).
        time_from: the oldest row's time.
        time_to: the newest row's.
        rows: how many there are, before any sampling.
    """

    values: pl.DataFrame
    block: NDArray[np.int64]
    entity: NDArray[np.uint64] | None
    time_from: datetime
    time_to: datetime
    rows: int


@dataclass(frozen=True)
class DriftVerdict:
    """What a drift check found: the columns, and a sentence for people."""

    drifted: bool
    share: float
    reason: str
    columns: tuple[DriftColumn, ...]
    broken: bool = False
    attention: tuple[str, ...] = ()
    reference_name: str = "champion"
    reference: Window | None = None
    current: Window | None = None


def compare_sides(  # noqa: PLR0913 - the last three by name
    reference: Side,
    current: Side,
    columns: Sequence[Compared],
    policy: DriftPolicy,
    *,
    report: Path | None = None,
    importance: Mapping[str, float] = MappingProxyType({}),
    reference_name: str = "champion",
) -> DriftVerdict:
    """Compare two sides column by column."""
    import pandas as pd

    numbers = tuple(column.name for column in columns if column.kind == "number")
    categories = tuple(column.name for column in columns if column.kind == "category")
    one, other = (
        pd.DataFrame({c.name: _drawable(side.values[c.name].to_numpy()) for c in columns})
        for side in (reference, current)
    )
    from types import SimpleNamespace
    from typing import Any, cast

    schema = cast("Any", SimpleNamespace(numeric=numbers, categorical=categories, target=""))
    found = compare_windows(one, other, schema, replace(policy, columns=(*numbers, *categories)), report)
    marked = tuple(replace(column, importance=importance.get(column.column)) for column in found.columns)
    windows = (Window(s.rows, len(np.unique(s.block)), s.time_from, s.time_to) for s in (reference, current))
    return DriftVerdict(found.drifted, found.share, found.reason, marked, False, (), reference_name, *windows)


def compare_files(
    reference: Sequence[Path], current: Sequence[Path], schema: Schema, policy: DriftPolicy, report: Path | None = None
) -> DriftVerdict:
    """Compare the rows of two lists of partitions' files, as `compare_windows` does."""
    return compare_windows(window(reference, schema, policy), window(current, schema, policy), schema, policy, report)


def compare_windows(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    schema: Schema,
    policy: DriftPolicy,
    report: Path | None = None,
) -> DriftVerdict:
    """Compare what arrived with what the champion learned from, column by column.

    Args:
        reference: rows that the champion learned from; at least the compared columns.
        current: rows that arrived.
        schema: says which columns are numbers and which are categories.
        policy: columns, thresholds and the share of columns that makes the whole check say drift.
        report: where to write Evidently's HTML report; None writes none.

    Raises:
        NotEnoughData: a window has fewer than 30 rows.
    """
    for name, window in {"reference": reference, "current": current}.items():
        if len(window) < MIN_ROWS:
            raise NotEnoughData(
                f"a {name} window of {len(window)} rows",
                f"a drift check needs {MIN_ROWS}",
                "wait for more rows",
            )
    columns = compared_columns(schema, policy, reference, current)
    if not columns:
        raise NotEnoughData(
            "windows without a column to compare", "no column has enough values in both", "wait for more rows"
        )
    generator = np.random.default_rng(len(reference))
    alpha = policy.alpha / len(columns)  # Bonferroni: alpha holds for the check, not for each column
    thresholds = {
        column: max(
            policy.min_effect, chance_distance(reference[column], current[column].count(), method, alpha, generator)
        )
        for column, method in columns.items()
    }
    found = measure(reference, current, columns, thresholds, report)
    drifted = [column for column in found if column.drifted]
    share = len(drifted) / len(found)
    worst = sorted(drifted, key=lambda column: column.threshold / max(column.score, 1e-12))[:3]
    named = (
        f" (most: {', '.join(f'{c.column} {c.score:.2f} against {c.threshold:.2f}' for c in worst)})" if worst else ""
    )
    reason = f"{len(drifted)} of {len(found)} columns drifted{named}; {policy.share:.0%} make a drift"
    return DriftVerdict(share >= policy.share, share, reason, tuple(found))


def wanted_columns(schema: Schema, policy: DriftPolicy) -> tuple[str, ...]:
    """The columns that a policy wants compared."""
    return policy.columns or (*schema.numeric, *schema.categorical, schema.target)


def compared_columns(
    schema: Schema, policy: DriftPolicy, reference: pd.DataFrame, current: pd.DataFrame
) -> dict[str, str]:
    """Column to distance. A column with no value at all in a window cannot be compared and is left out."""
    return {
        column: "jensenshannon" if column in schema.categorical else "wasserstein"
        for column in wanted_columns(schema, policy)
        if reference[column].count() >= MIN_ROWS and current[column].count() >= MIN_ROWS
    }


def chance_distance(column: pd.Series, rows: int, method: str, alpha: float, generator: np.random.Generator) -> float:
    """The distance that undrifted data exceeds with probability alpha, if this many `rows` have a value of the column.

    Both windows are drawn again from the reference, since the reference is a sample too. Counting how often each
    distinct value was drawn makes a resample one row of a matrix, and both distances sums along it.
    """
    known = column.dropna().to_numpy()
    if method == "wasserstein" and len(known) > GRID:
        known = np.quantile(known, (np.arange(GRID) + 0.5) / GRID)
    values, counts = np.unique(known, return_counts=True)
    share = counts / counts.sum()
    one = generator.multinomial(rows, share, size=RESAMPLES) / rows
    other = generator.multinomial(column.count(), share, size=RESAMPLES) / column.count()
    if method == "jensenshannon":
        from scipy.spatial.distance import jensenshannon

        distances: NDArray[np.floating] = np.nan_to_num(np.asarray(jensenshannon(other, one, axis=1)))
    else:
        distances = wasserstein(values, one, other) / max(float(column.std(ddof=0)), 0.001)
    return float(np.quantile(distances, 1 - alpha, method="higher"))


def wasserstein(
    values: NDArray[np.floating], one: NDArray[np.floating], other: NDArray[np.floating]
) -> NDArray[np.floating]:
    """First Wasserstein distance between the rows of two matrices of shares over the same sorted values."""
    gaps = np.diff(values.astype("float64"))
    return np.asarray(np.abs(np.cumsum(one - other, axis=1)[:, :-1]) @ gaps)


def measure(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: dict[str, str],
    thresholds: dict[str, float],
    report: Path | None,
) -> list[DriftColumn]:
    """Have Evidently compute each column's distance, and its plots if a report is wanted."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    categorical = [column for column, method in columns.items() if method == "jensenshannon"]
    shown = labels(columns)
    current, reference = relabelled((current[list(columns)], reference[list(columns)]), categorical)
    # Without a definition Evidently skips a column that is missing, and takes small integers for categories.
    definition = DataDefinition(
        numerical_columns=[shown[column] for column in columns if column not in categorical],
        categorical_columns=[shown[column] for column in categorical],
    )
    metrics = [ValueDrift(column=shown[c], method=method, threshold=thresholds[c]) for c, method in columns.items()]
    snapshot = Report(metrics).run(
        Dataset.from_pandas(current, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
    )
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        snapshot.save_html(str(report))
        lock(report)
    scores = [float(result["value"]) for result in snapshot.dict()["metrics"]]
    return [
        DriftColumn(column, method, score, thresholds[column], score >= thresholds[column])
        for (column, method), score in zip(columns.items(), scores, strict=True)
    ]


def window(files: Sequence[Path], schema: Schema, policy: DriftPolicy) -> pd.DataFrame:
    """Sample at most `max_rows` rows of the compared columns, the same ones every time, as plain pandas."""
    import pandas as pd
    import polars as pl

    wanted = wanted_columns(schema, policy)
    rows = pl.scan_parquet(list(files)).select(list(dict.fromkeys((*wanted, *schema.key))))
    total = rows.select(pl.len()).collect().item()
    if total > policy.max_rows:
        # By hash, not at random: the sample streams, and the same check gives the same answer twice.
        share = int(policy.max_rows / total * 2**32)
        rows = rows.filter(pl.struct(schema.key).hash(0) % 2**32 < share)
    sample = rows.select(wanted).collect(engine="streaming")
    return pd.DataFrame({name: _drawable(sample[name].to_numpy()) for name in wanted})


def _drawable(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Values with room for bars between them: Evidently fails at numbers that are as large as alike."""
    if values.dtype.kind != "f" or not np.isfinite(values).any():
        return values
    least, most = np.nanmin(values), np.nanmax(values)
    alike = most - least < BARS * np.spacing(max(abs(least), abs(most)))
    return values.clip(-DRAWABLE, DRAWABLE) if alike else values
