"""Which rows a training holds back from itself, to choose the best epoch by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec, NotEnoughData
from learning.blocks import fewest
from learning.data import Indices, Selection, blocks_of, entity_marks, pick, row_count

if TYPE_CHECKING:
    from learning.objectives import Objective
    from learning.spec import FineTune, Pretrain, Schema

MOST = 0.5  # share of the new rows that may choose
RARE = 0.1  # of an even share of the rows, below which a class is rare: of two classes, 5 %
EVENTS = 30  # of a rare class, that should choose: of ten, chance alone says half more or fewer
CALIBRATE = 40  # of a class: calibration takes 30, and in 2 to 4 of 100 draws there are fewer
CLASSES = 100  # of more, there are always some of which there are few
FEWEST = 10  # rows of a class, below which a third of them would say no more than a tenth
MOST_FOR_EVENTS = 1 / 3  # share of the rows that is held back for these, at most

Divided = tuple[list[Selection], list[Selection]]  # rows to learn from, rows to choose the best epoch by


def all_of(chosen: Sequence[Selection]) -> list[Selection]:
    """All rows, to learn from.

    Raises:
        NotEnoughData: there are none, or none that counts.
    """
    if row_count(chosen) == 0:
        raise NotEnoughData(
            "0 labelled training rows", "there is nothing to learn from", "wait for labels, or land more files"
        )
    if all(one.weight is not None and not one.weight.any() for one in chosen if len(one.rows)):
        received = f"{row_count(chosen):,} labelled training rows of weight 0"
        raise NotEnoughData(received, "none of them counts", "wait for rows that do, or look at Schema.weight")
    return list(chosen)


def hold_back(  # noqa: PLR0913 - the last three by name
    schema: Schema,
    chosen: Sequence[Selection],
    plan: Pretrain | FineTune,
    seed: int,
    replayed: Sequence[Selection] = (),
    *,
    classes: bool = True,
    calibrated: int = 0,
) -> Divided:
    """Rows to learn from, and rows to choose the best epoch by; with too few rows both are all rows.

    Rows of the same days say no more than those that are learned from, so the newest blocks choose, thinned evenly to
    `plan.validation_rows`. Where even one is more than half of the new rows, it is a random share of all; rows of one
    entity then fall on the same side, as an epoch must not look good because it knows the patient.

    A class of less than a tenth of an even share would choose by a handful of them. So more rows are held back, until
    there are 30 of it, or a third of all; and where they are thinned, its rows stay, and count as much less.

    Args:
        schema: names the entity.
        chosen: new rows.
        plan: how many are to choose.
        seed: decides which, where they are a random share.
        replayed: old rows.
        classes: whether targets are classes; of counts and ratings, a value that is seen once is no rare class.
        calibrated: of how many classes the chances are put right by the rows held back; 0 where they are not.

    Raises:
        NotEnoughData: there are no new rows.
    """
    rows = [*all_of(chosen), *replayed]
    rare, share = rare_classes(rows) if classes else {}, min(plan.validation, plan.validation_rows / row_count(rows))
    if some := [count for count in rare.values() if count >= FEWEST]:
        share = max(share, min(EVENTS / min(some), MOST_FOR_EVENTS))
    marks = _newest_blocks(chosen, max(share, _share_to_calibrate(chosen, calibrated)) * row_count(chosen))
    if marks is None:
        marks = _random_share(schema, rows, max(share, _share_to_calibrate(rows, calibrated)), seed)
    held = np.flatnonzero(marks)
    learning = np.setdiff1d(np.arange(row_count(rows)), held, assume_unique=True)
    if not len(held) or not len(learning):
        return rows, rows
    return pick(rows, learning), _thinned(pick(rows, held), plan.validation_rows, list(rare))


def refuse_negative(objective: Objective, chosen: Sequence[Selection]) -> None:
    """See that all targets have a logarithm, where that is learned; raises InvalidSpec.

    A row that arrives is refused by itself; these arrived before the objective took logarithms.
    """
    below = sum(int((one.target < 0).sum()) for one in chosen) if objective.log else 0
    if below:
        received = f"Regression(log=True) and {below:,} of {row_count(chosen):,} rows with a target below 0"
        raise InvalidSpec(received, "the logarithm is of 1 + the target, from 0 on", "leave log=True out")


def held_apart(learning: Sequence[Selection], held: Sequence[Selection]) -> bool:
    """Whether the rows that were held back did not train: where there are few rows, all of them do both."""
    trained = {id(one) for one in learning}
    return bool(held) and not any(id(one) in trained for one in held)


def rare_classes(chosen: Sequence[Selection]) -> dict[float, int]:
    """Classes of less than a tenth of an even share of the rows, and how many rows each has."""
    values, counts = np.unique(np.concatenate([one.target for one in chosen]), return_counts=True)
    if len(values) > CLASSES:
        return {}
    few = counts < RARE * counts.sum() / len(counts)
    return dict(zip(values[few].tolist(), counts[few].tolist(), strict=True))


def _share_to_calibrate(chosen: Sequence[Selection], classes: int) -> float:
    """Share of the rows by which chances of so many classes can be put right; 0 where none that is allowed would do.

    It takes rows of each class; of several classes, for the scale alone, as many that are not of the largest.
    """
    if not classes:
        return 0.0
    counts = np.bincount(np.concatenate([one.target for one in chosen]).astype("int64"), minlength=classes)
    counted = [counts.min()] if classes == 2 else [counts.min(), counts.sum() - counts.max()]
    shares = [CALIBRATE / float(rows) for rows in counted if rows]
    return next((share for share in shares if share <= MOST_FOR_EVENTS), 0.0)


def _thinned(held: list[Selection], most: int, rare: Sequence[float]) -> list[Selection]:
    """At most so many rows, spread evenly; those of rare classes stay, and the others stand for those that go."""
    places, target = np.arange(row_count(held)), np.concatenate([one.target for one in held])
    if len(places) <= most:
        return held
    few = np.isin(target, rare)
    if few.all() or not few.any() or most == 1:
        return pick(held, _evenly(places, most))
    groups = [_evenly(places[few], most // 2)]
    groups.append(_evenly(places[~few], most - len(groups[0])))
    kept = pick(held, np.sort(np.concatenate(groups)))
    rarely, often = (len(places[marks]) / len(group) for marks, group in zip((few, ~few), groups, strict=True))
    counts = [np.where(np.isin(one.target, rare), rarely, often) for one in kept]
    return [
        replace(one, weight=count * (1.0 if one.weight is None else one.weight))
        for one, count in zip(kept, counts, strict=True)
    ]


def _evenly(places: Indices, most: int) -> Indices:
    """At most so many of some places, the same distance apart."""
    count = min(len(places), most)
    return places[np.arange(count) * len(places) // max(count, 1)]


def _newest_blocks(chosen: Sequence[Selection], wanted: float) -> NDArray[np.bool_] | None:
    """Marks the newest blocks that hold so many rows; None where there are not blocks enough."""
    blocks = blocks_of(chosen)
    if blocks is None:
        return None
    starts, counts = np.unique(blocks, return_counts=True)
    held = counts[::-1].cumsum()
    held = held[held <= MOST * len(blocks)]
    return np.asarray(blocks >= starts[-1 - fewest(held, wanted)]) if len(held) else None


def _random_share(schema: Schema, chosen: Sequence[Selection], share: float, seed: int) -> NDArray[np.bool_]:
    if schema.entity:
        return np.concatenate([entity_marks(schema, selection, share, seed) for selection in chosen])
    rows = row_count(chosen)
    marks = np.zeros(rows, "bool")
    marks[np.random.default_rng([seed, rows]).permutation(rows)[: round(share * rows)]] = True
    return marks
