"""Have the arrived rows drifted away from the reference? Evidently measures, this file and its neighbours decide.

Evidently's default test looks at the size of the reference only, so small arrivals raise false alarms on nearly
every check, and large ones on differences that matter to nobody. Here a column has drifted when its distance is
larger than chance explains between samples of as many time blocks, and larger than the policy's `min_effect`; it is
broken when it is so far off that no world moves like that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from db.verdict_records import DriftColumn, Window
from errors import NotEnoughData
from evergreen_client.shown import said
from monitoring.counted import counted
from monitoring.distances import JENSEN_SHANNON, MISSING_SHARE, UNSEEN_SHARE, WASSERSTEIN, observed
from monitoring.evidently_report import measure
from monitoring.growing import growth
from monitoring.pieces import faults_of
from monitoring.report_page import Checked, write_report
from monitoring.thresholds import chance, draws
from monitoring.verdicts import verdict

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

    from learning.spec import DriftPolicy
    from monitoring.counted import Counted
    from monitoring.pieces import Cut

MIN_ROWS = 30  # a window smaller than this says nothing about a distribution
NOT_JUDGED = float("nan")  # as a threshold

Kind = Literal["number", "category", "text"]
Methods = dict[str, float]


@dataclass(frozen=True)
class Compared:
    """One column to compare."""

    name: str
    kind: Kind
    role: Literal["input", "target", "prediction", "feature"]


@dataclass(frozen=True)
class Side:
    """The rows of one side of a check.

    Args:
        values: a column for each compared one; perhaps only a sample of the rows.
        block: number of the time block of each row, growing with time, shape (rows,). Of rows that time says nothing
            about, each has a number of its own.
        entity: number of the entity of each row, shape (rows,).
        time_from: the oldest row's time.
        time_to: the newest row's.
        rows: how many there are, before any sampling.
        cuts: the same ways to cut both sides into pieces, each of which may be broken by itself.
        within: how many rows there are in the blocks that are here, where not all blocks are; all by default.
    """

    values: pl.DataFrame
    block: NDArray[np.int64]
    entity: NDArray[np.uint64] | None
    time_from: datetime
    time_to: datetime
    rows: int
    cuts: tuple[Cut, ...] = ()
    within: int | None = None

    @property
    def rows_a_block(self) -> float:
        """How many rows a time block has, before any sampling."""
        return self.drawn_from / max(len(np.unique(self.block)), 1)

    @property
    def drawn_from(self) -> int:
        """How many rows these stand for, block by block."""
        return self.rows if self.within is None else self.within

    @property
    def window(self) -> Window:
        """What is recorded of it."""
        return Window(self.rows, len(np.unique(self.block)), self.time_from, self.time_to)


@dataclass(frozen=True)
class DriftVerdict:
    """What a drift check found: the columns, and a sentence for people.

    Args:
        drifted: whether the target or the predictions drifted, or a large enough share of the other columns.
        share: this share, weighed by importance where that is known.
        reason: why, in a sentence.
        columns: every measure.
        broken: whether a column is broken.
        attention: a sentence about each broken column.
        reference_name: which rows the new ones were compared with: "champion", "previous" or "season".
        reference: these rows.
        current: the new ones.
    """

    drifted: bool
    share: float
    reason: str
    columns: tuple[DriftColumn, ...]
    broken: bool = False
    attention: tuple[str, ...] = ()
    reference_name: str = "champion"
    reference: Window | None = None
    current: Window | None = None


def compare_sides(  # noqa: PLR0913 - the last four by name
    reference: Side,
    current: Side,
    columns: Sequence[Compared],
    policy: DriftPolicy,
    *,
    report: Path | None = None,
    title: str = "Drift check",
    importance: Mapping[str, float] = MappingProxyType({}),
    reference_name: str = "champion",
) -> DriftVerdict:
    """Compare what arrived with a reference, column by column.

    Args:
        reference: for example the rows that the champion learned from.
        current: rows that arrived.
        columns: what is compared, and as what.
        policy: thresholds, and the share of columns that makes the whole check say drift.
        report: where to write a page about it; None writes none.
        title: of the page.
        importance: relative rise of the champion's loss when a column is shuffled, of those where it is known.
        reference_name: what the reference is called.

    Raises:
        NotEnoughData: a side has fewer than 30 rows, or no column has a value on both.
    """
    growing, faults = growing_and_faults(reference, current, columns)
    both = {c: counted(reference.values[c.name], current.values[c.name], c.kind) for c in columns}
    thresholds = limits(reference, current, both, policy, growing)
    found = [
        replace(
            one,
            broken=one.column in faults,
            importance=importance.get(one.column),
            remark=faults.get(one.column, one.remark),
        )
        for one in _measured(reference, current, both, thresholds)
    ]
    if not found:
        raise NotEnoughData(
            "windows without a column to compare", "no column has enough values in both", "wait for more rows"
        )
    roles = {c.name: c.role for c in columns}
    attention = tuple(f"{roles[name]} '{said(name)}' is broken: {wrong}" for name, wrong in faults.items())
    drifted, share, reason = verdict(found, roles, policy, (reference.window, current.window), sum(importance.values()))
    told = DriftVerdict(
        drifted=drifted,
        share=share,
        reason="; ".join((*attention, reason)),
        columns=tuple(found),
        broken=bool(faults),
        attention=attention,
        reference_name=reference_name,
        reference=reference.window,
        current=current.window,
    )
    if report is not None:
        facts = told.reason, told.columns, told.reference, told.current, told.reference_name, told.attention
        write_report(report, Checked(title, *facts), reference.values, current.values)
    return told


def growing_and_faults(
    reference: Side, current: Side, columns: Sequence[Compared]
) -> tuple[dict[Compared, str | None], dict[str, str]]:
    """Which columns only grow, and what is wrong with those that are broken: what needs no chance, and no threshold.

    Raises:
        NotEnoughData: a side has fewer than 30 rows.
    """
    for name, side in {"reference": reference, "current": current}.items():
        if len(side.values) < MIN_ROWS:
            raise NotEnoughData(
                f"a {name} window of {len(side.values)} rows",
                f"a drift check needs {MIN_ROWS}",
                "wait for more rows",
            )
    growing = growth(reference, current, columns)
    return growing, faults_of(reference, current, growing)


def limits(
    reference: Side,
    current: Side,
    both: Mapping[Compared, Counted],
    policy: DriftPolicy,
    growing: Mapping[Compared, str | None],
) -> dict[str, tuple[Methods, str | None]]:
    """The thresholds of each column by method, and a remark: no thresholds for one that is not to be judged."""
    judged = [c for c in both if growing[c] is None]
    floors = {WASSERSTEIN: policy.min_effect, JENSEN_SHANNON: policy.min_effect}
    floors |= {MISSING_SHARE: policy.min_share, UNSEEN_SHARE: policy.min_share}
    generator = np.random.default_rng(len(reference.values))
    ways = draws(reference.block, current.block, policy.alpha, generator)
    if ways and reference.entity is not None and current.entity is not None:  # entities alone say nothing of time
        ways += draws(reference.entity, current.entity, policy.alpha, generator)
    found = [chance([both[c] for c in judged], drawn, floors, policy.alpha) for drawn in ways]
    limits: dict[str, tuple[Methods, str | None]] = {c.name: ({}, growing[c]) for c in both}
    for column, *told in zip(judged, *found, strict=True) if found else ():
        limits[column.name] = ({method: max(way[method] for way in told) for method in told[0]}, None)
    return limits


def _measured(
    reference: Side,
    current: Side,
    both: Mapping[Compared, Counted],
    limits: Mapping[str, tuple[Methods, str | None]],
) -> list[DriftColumn]:
    """Every measure of every column: distances by Evidently, where both sides have enough values, and shares."""
    rows = len(reference.values)
    full = {
        c.name: WASSERSTEIN if c.kind == "number" else JENSEN_SHANNON
        for c, column in both.items()
        if min((column.bins[:rows] >= 0).sum(), (column.bins[rows:] >= 0).sum()) >= MIN_ROWS
    }
    one, other = (_as_pandas(side.values, [c for c in both if c.name in full]) for side in (reference, current))
    told = {name: limits[name][0].get(method, NOT_JUDGED) for name, method in full.items()}
    by_name = {found.column: found for found in measure(one, other, full, told)} if full else {}
    found = []
    for compared, column in both.items():
        thresholds, remark = limits[compared.name]
        if compared.name in by_name:
            found.append(replace(by_name[compared.name], remark=remark))
        shares = observed(column, rows)
        for method in (MISSING_SHARE, UNSEEN_SHARE):
            told_of = method == UNSEEN_SHARE or compared.role != "target"  # a label may come later
            if told_of and (score := shares.get(method, 0.0)) > 0:
                threshold = thresholds.get(method, NOT_JUDGED)
                found.append(DriftColumn(compared.name, method, score, threshold, score >= threshold, remark=remark))
    return found


def _as_pandas(values: pl.DataFrame, columns: Sequence[Compared]) -> pd.DataFrame:
    """The columns as Evidently takes them."""
    import pandas as pd

    from monitoring.counted import numbers, texts

    return pd.DataFrame(
        {c.name: numbers(values[c.name]) if c.kind == "number" else texts(values[c.name]).to_numpy() for c in columns}
    )
