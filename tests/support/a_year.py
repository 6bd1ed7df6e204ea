"""A registry that has seen a year of days: losses, promotions, a rollback, drift, broken columns, refused rows."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import timedelta

from filled import MODEL, START, add_version, promote

from db.arrival_records import NewArrival, NewLandedFile, NewPartition
from db.records import RunEnding
from db.registry import ModelRegistry
from db.verdict_records import (
    BlockLoss,
    DriftColumn,
    NewDriftCheck,
    NewEstimate,
    NewPerformanceCheck,
    NewScores,
    Window,
)

LIMIT = 0.52


def a_year(registry: ModelRegistry, days: int = 365, columns: int = 25, every: int = 7) -> None:
    """Fill a registry with made facts of so many days, a retrain every few of them.

    The loss is quiet but for a break at two thirds of the time. Column 0 is broken near the end, column 1 drifts.
    """
    registry.add_model(MODEL)
    draw = random.Random(0)  # noqa: S311 - made figures
    add_version(registry)
    promote(registry, 1, "the first one")
    for day in range(days):
        run = registry.start_run(MODEL, trigger="deployment retrain").id
        digest = one_day(registry, draw, day, run)
        turned = days * 2 // 3 <= day < days * 2 // 3 + 10
        loss = math.nan if day == days // 2 else 0.45 + 0.02 * draw.gauss(0, 1) + 0.1 * turned
        number = registry.champion(MODEL).number
        block = BlockLoss(digest, START + timedelta(days=day), 900, loss)
        registry.record_block_losses(MODEL, number, [block], proving=False)
        registry.record_estimates(MODEL, number, [NewEstimate(digest, "log_loss", 900, loss + 0.01, 0.4, 0.6)], run)
        registry.record_scores(MODEL, number, [NewScores(digest, 900, {"log_loss": loss})], run)
        state, since = ("broken", block.block) if turned else ("in control", None)
        found = (state, since, f"loss {loss:.3f}", day + 1, loss, LIMIT)
        registry.record_performance(NewPerformanceCheck(run, MODEL, number, *found))  # type: ignore[arg-type]
        check = one_check(draw, day, days, columns)
        registry.record_drift(replace(check, run_id=run, champion=number, report_uri=f"reports/drift-run-{run}.html"))
        ending = RunEnding("waiting", "wait", "too few rows are pending")
        if day % every == every - 1:
            ending = retrained(registry, day, days)
        registry.finish_run(run, ending)


def one_day(registry: ModelRegistry, draw: random.Random, day: int, run: int) -> str:
    """A file of one day arrives; returns its partition's digest."""
    time, digest = START + timedelta(days=day), f"day-{day}"
    refused, late = (draw.randint(1, 80) if draw.random() < 0.1 else 0), draw.randint(0, 9)
    taken = draw.randint(700, 1100)
    file = NewLandedFile(
        f"landing/{digest}.csv",
        digest,
        "rules",
        f"ingest-{day}",
        rows=taken + refused,
        taken=taken,
        refused=refused,
        late=late,
    )
    partition = NewPartition(
        *(MODEL, digest, file.uri, f"partition/{digest}.parquet", "0" * 64, 1000, taken, 100, 900),
        *(time, time + timedelta(hours=23)),
    )
    registry.record_arrival(NewArrival(MODEL, len(registry.ledger(MODEL)), file, (partition,), run_id=run))
    return digest


def one_check(draw: random.Random, day: int, days: int, columns: int) -> NewDriftCheck:
    """A drift check of one day: two measures of each column."""
    found = []
    for place in range(columns):
        name = f"column {place}"
        broken, creeping = place == 0 and day >= days - 12, place == 1
        score = 900.0 if broken else abs(draw.gauss(0.05, 0.02)) + (0.4 * day / days if creeping else 0.0)
        importance = 0.3 / (place + 1)
        found.append(DriftColumn(name, "wasserstein", score, 0.1, score >= 0.1, broken, importance))
        missing = (0.4 if day >= days - 20 else 0.01) if place == 2 else 0.0
        found.append(DriftColumn(name, "missing share", missing, 0.05, missing > 0.05, missing > 0.3, importance))
    time = START + timedelta(days=day)
    windows = Window(30_000, 60, START, time), Window(1000, 1, time, time + timedelta(days=1))
    drifted = {column.column for column in found if column.drifted}
    reason = f"{len(drifted)} of {columns} columns drifted; a drift needs 30%"
    broken_ones = any(column.broken for column in found)
    share = len(drifted) / columns
    verdict = (share >= 0.3, share, reason)
    return NewDriftCheck(None, MODEL, 1, *verdict, None, tuple(found), broken_ones, "champion", *windows)


def retrained(registry: ModelRegistry, day: int, days: int) -> RunEnding:
    """A challenger: every other one is promoted, and one of them rolled back."""
    number = add_version(registry, parent=registry.champion(MODEL).number, metrics={"day": float(day)}).number
    if day > days * 2 // 3 and registry.promotions(MODEL)[-1].kind == "promote" and number % 5 == 0:
        registry.rollback(MODEL, actor="watch", reason="worse than its predecessor on seven blocks")
        return RunEnding("needs attention", "retrain", "rolled back")
    if number % 2:
        return RunEnding("rejected", "retrain", "not shown better: +0.3%")
    promote(registry, number)
    return RunEnding("promoted", "retrain", "better so far: -1.2%")
