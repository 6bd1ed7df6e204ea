"""What came of a policy that was lived through: live losses and runs, and what others would have lost meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arrivals.past import Arriving, Steps
from db.arrival_records import NewPartition, PartitionRecord
from evaluation.backtests import BlockScore, Crossed, PolicyResult, Step
from evaluation.losses import Floats, row_losses
from learning.data import PartitionFile, blocks_of, select, weights_of
from learning.overrides import Policy
from learning.prediction import Predictions, predict
from learning.startup import start_tensorflow
from monitoring.served import service
from tasks.past import PROCESSOR, TRAINED_ROWS
from tasks.run import Context
from tasks.score_champion import by_block

if TYPE_CHECKING:
    from db.records import RunRecord
    from learning.spec import ModelSpec

FIRST = 1
CONSTANT, LAST_LABEL = "constant", "last label"
ALL_OF_THEM = 1_000_000  # runs


@dataclass(frozen=True)
class Came:
    """What arrived until the last step, by step, and where its files are."""

    steps: Steps
    last: int
    arrivals: tuple[Arriving, ...]
    artifacts: Path

    def by_step(self) -> dict[int, list[NewPartition]]:
        """The partitions of each step for which any arrived; those of the bootstrap are at 0."""
        step = {one.partition.digest: self.steps.number(one.at) for one in self.arrivals}
        ordered = sorted((one.partition for one in self.arrivals), key=lambda p: (step[p.digest], p.time_from))
        return {number: list(some) for number, some in groupby(ordered, key=lambda p: step[p.digest])}

    def is_past_of(self, recorded: Sequence[PartitionRecord], done: int) -> bool:
        """Whether what was recorded until a step is what arrived until then, each at its step."""
        last = min(done, self.last)
        found = {one.digest: self.steps.nearest(one.arrived_at) for one in recorded}
        there = {one.partition.digest: self.steps.number(one.at) for one in self.arrivals}
        within = ({digest: number for digest, number in some.items() if number <= last} for some in (found, there))
        return next(within) == next(within)

    def files(self, partitions: Sequence[NewPartition]) -> list[PartitionFile]:
        """Their files."""
        return [PartitionFile(one.digest, self.artifacts / one.uri) for one in partitions]


def policy_result(context: Context, came: Came, policy: Policy) -> PolicyResult:
    """What a policy came to, from its registry."""
    registry, model, arrived = context.registry, context.spec.name, came.by_step()
    served = service(registry, model)
    there = {one.partition.digest for one in came.arrivals}
    lived = (one for one in registry.block_losses(model) if one.partition in there and not one.proving)
    scores = (
        BlockScore(one.block, one.rows, one.loss, one.number)
        for one in lived
        if served.of(one.partition, one.block) == one.number
    )
    _, *runs = reversed(registry.runs(model, limit=ALL_OF_THEM))
    labels = {number: sum(p.labelled_rows for p in some) for number, some in arrived.items()}
    # It may have gone further, when it was asked for a longer time.
    steps = tuple(_step(context, run, came.steps, labels) for run in runs[: came.last])
    return PolicyResult(policy.name, dict(policy.overrides), tuple(scores), steps)


def _step(context: Context, run: RunRecord, steps: Steps, labels: Mapping[int, int]) -> Step:
    """One run, as the registry has it."""
    number = steps.nearest(run.started_at)
    ended = run.finished_at or run.started_at
    changes = context.registry.promotions(context.spec.name)
    took = [change.number for change in changes if run.started_at <= change.at <= ended]
    return Step(
        at=steps.at(number),
        outcome=run.outcome or "",
        decision_reason=run.reason or "",
        version=took[-1] if took else None,
        cpu_s=run.timings.get(PROCESSOR, 0.0),
        trained_rows=int(run.timings.get(TRAINED_ROWS, 0)),
        labels=labels.get(number, 0),
    )


def baselines(spec: ModelSpec, came: Came) -> dict[str, tuple[BlockScore, ...]]:
    """What predicting without a model would have lost: what was usual at first, and what was in the newest arrival."""
    found: dict[str, list[BlockScore]] = {CONSTANT: [], LAST_LABEL: []}
    usual: Floats | None = None
    newest: Floats | None = None
    for number, partitions in came.by_step().items():
        rows = _labelled(spec, came, partitions)
        if not len(rows.target) or (rows.weight is not None and not rows.weight.any()):
            continue
        if number and usual is not None and newest is not None:
            for name, guess in ((CONSTANT, usual), (LAST_LABEL, newest)):
                losses = row_losses(spec.objective, rows.target, np.broadcast_to(guess, (len(rows.target), len(guess))))
                scored = by_block(spec.objective, rows, losses, partitions)
                found[name] += [BlockScore(one.block, one.rows, one.loss, 0) for one in scored]
        newest = spec.objective.constant(rows.target, rows.weight)
        usual = newest if usual is None else usual
    return {name: tuple(scores) for name, scores in found.items()}


def _labelled(spec: ModelSpec, came: Came, partitions: Sequence[NewPartition]) -> Predictions:
    """The labelled rows of some partitions, with no prediction."""
    chosen = select(spec.schema, came.files(partitions), "all")
    target = np.concatenate([selection.target for selection in chosen])
    place = np.repeat(np.arange(len(chosen)), [len(selection.rows) for selection in chosen])
    nothing = np.empty((len(target), 0), "float32")
    return Predictions(target, nothing, place, place, {}, blocks_of(chosen), weights_of(chosen))


def crossed(context: Context, came: Came) -> tuple[Crossed, ...]:
    """Every version that took the place, on all that arrived later; of a policy that always promotes."""
    trained_at = {FIRST: 0}  # the last ones have nothing later, nor has any that was made for a longer time
    for change in context.registry.promotions(context.spec.name)[1:]:
        trained_at[change.number] = came.steps.nearest(change.at)
    return tuple(one for number, at in trained_at.items() for one in _later(context, came, number, at))


def _later(context: Context, came: Came, number: int, trained_at: int) -> list[Crossed]:
    """A version on what arrived after its training, a mean loss a step."""
    version = context.registry.version(context.spec.name, number)
    later = {at: some for at, some in came.by_step().items() if at > trained_at}
    partitions = [one for some in later.values() for one in some]
    if not partitions:
        return []

    def scored() -> list[tuple[int, int, float]]:
        start_tensorflow()
        files, cache = context.model_files(version), context.settings.cache
        found = predict(context.spec_of(version), files, came.files(partitions), split="all", cache=cache)
        losses = row_losses(context.spec.objective, found.target, found.prediction)
        steps = np.array([at for at, some in later.items() for _ in some])[found.partition]
        weight = np.ones(len(losses)) if found.weight is None else found.weight
        marks = ((int(at), (steps == at) & (weight > 0)) for at in np.unique(steps))
        return [(at, int(m.sum()), float(np.average(losses[m], weights=weight[m]))) for at, m in marks if m.any()]

    key = [version.base.digest, version.head.digest, [one.digest for one in partitions], sorted(later)]
    found = context.past.kept_of("crossed", key, scored) if context.past else scored()
    return [Crossed(trained_at, at, rows, loss) for at, rows, loss in found]
