"""What happens to a consumer of events: it begins or goes on, follows the champion, is saved, and says how it went."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from db.online_records import ONLINE, CheckpointRecord
from db.records import RunEnding
from db.remembered import Remembered
from errors import ArtifactCorrupt, ArtifactMissing, InvalidSpec
from learning.startup import start_tensorflow
from tasks.check_model import retired
from tasks.deliver import deliver_promotions
from tasks.evaluate import ACTOR
from tasks.logs import run_logger
from tasks.online import Consumer
from tasks.online_learner import Begin, Learner, Pace
from tasks.online_sources import consumer_name, open_source
from tasks.run import Run
from tasks.watch_champion import roll_back_if_worse

if TYPE_CHECKING:
    from db.records import VersionRecord
    from learning.files import ModelFiles
    from learning.spec import ModelSpec

ELSEWHERE = "events that waited for their label are not on this machine: their labels will be those of no event"


@contextmanager
def open_consumer(run: Run, source: str, pace: Pace | None = None, begin: Begin | None = None) -> Iterator[Consumer]:
    """Open what learns a model's events, where it was; in the end it is saved. Only one run at a time does it.

    Args:
        run: the run.
        source: what the source is called; positions are kept by its `consumer_name`.
        pace: how the consumer goes about it.
        begin: makes the learner.

    Raises:
        AnotherConsumer: another run does.
        NoChampion: there is no version to go on from.
        UnreachableSource: nobody answers there.
    """
    registry, home = run.context.registry, run.context.settings.home / ONLINE
    registry.claim_events(run.model, run.id)
    name = consumer_name(source)
    found = registry.newest_checkpoint(run.model, name)
    # By the model's row: it may get another name.
    file = home / str(registry.model_id(run.model)) / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.db"
    with Remembered(file, found.number if found else 0) as remembered:
        opened = open_source(source, run.context)
        consumer = Consumer(run, opened, remembered, begin or begin_learner, pace or Pace())
        consumer.name = name
        begin_or_resume(run, consumer, found)
        yield consumer
        if consumer.changed:
            consumer.checkpoint()


def begin_or_resume(run: Run, consumer: Consumer, found: CheckpointRecord | None) -> None:
    """Go on where this consumer was, or begin behind what the champion has learned."""
    log, registry = run_logger(), run.context.registry
    consumer.seen, champion = registry.sequence(run.model), registry.champion(run.model)
    if found is None:
        consumer.position = consumer.source.begin()
        consumer.go_on_from(champion)
        consumer.checkpoint()
        log.info("%s: learning on from version %d", consumer.name, champion.number)
        return
    try:
        consumer.restore(found)
    # The state is of another spec, or another Evergreen; or its file is gone, as after a restore.
    except (InvalidSpec, ArtifactMissing, ArtifactCorrupt) as error:
        run.attention.append(f"{error} Learning went on from version {champion.number}")
        consumer.go_on_from(champion)
    log.info(
        "%s: learning on behind event %s, as checkpoint %d has it", consumer.name, f"{found.events:,}", found.number
    )
    if consumer.remembered.behind:
        run.attention.append(ELSEWHERE)
    _follow(consumer, champion)


def follow_champion(consumer: Consumer) -> None:
    """Where somebody promoted another version, or recalled what was learned, learn on from the champion.

    Where somebody retired the model, learn nothing more.
    """
    registry, model = consumer.run.context.registry, consumer.run.model
    if ending := retired(consumer.run.context):
        consumer.over = ending.reason
        return
    seen = registry.sequence(model)
    recalled = consumer.source.spoiled(consumer.since, consumer.position)
    if seen == consumer.seen and not recalled:
        return
    consumer.seen = seen
    _follow(consumer, registry.champion(model), recalled=recalled)


def save(consumer: Consumer) -> bool:
    """Save where the consumer is, if that is due; whether it was saved."""
    if consumer.over or not consumer.is_due:  # of a retired model nothing is promoted; it is saved on the way out
        return False
    consumer.checkpoint()
    return True


def take_back(consumer: Consumer) -> bool:
    """Whether the champion was taken back, since it is shown worse than the version that it replaced.

    It is told at once. The learner follows between two events, as it follows anybody's promotion.
    """
    run, log = consumer.run, run_logger()
    if not roll_back_if_worse.fn(run):  # no step of Prefect: it is asked at every checkpoint
        return False
    log.warning(run.attention[-1])
    # The end of the run may be an hour away.
    if complaint := deliver_promotions(run.context.registry, run.context.settings):
        log.warning(complaint)
    return True


def ending_of(consumer: Consumer) -> RunEnding:
    """How the run ends, in a sentence."""
    counts, scores = consumer.counts, consumer.scores
    refused = sum(count for name, count in counts.items() if name.startswith("refused"))
    behind = consumer.source.behind(consumer.position)
    consumer.run.attention.extend(dict.fromkeys(consumer.source.told))
    reason = (
        f"{consumer.events:,} events so far: {counts['learned']:,} learned, {refused:,} refused, "
        f"{consumer.remembered.waiting:,} wait for their label; {behind:,} are left; "
        f"loss {scores.loss:.4f}, of the newest {scores.window_loss:.4f}"
    )
    if consumer.over:
        return RunEnding("retired", ONLINE, f"{consumer.over}; {reason}")
    if numbers := promoted_in(consumer.run):
        return RunEnding("promoted", ONLINE, f"promoted version {' and '.join(map(str, numbers))}; {reason}")
    return RunEnding("learned", ONLINE, reason)


def promoted_in(run: Run) -> list[int]:
    """The versions that a run promoted by itself, oldest first."""
    judged = {evaluation.id for evaluation in run.context.registry.run_evaluations(run.id)}
    promotions = run.context.registry.promotions(run.model)
    return [one.number for one in promotions if one.evaluation_id in judged and one.actor == ACTOR]


def _follow(consumer: Consumer, champion: VersionRecord, *, recalled: bool = False) -> None:
    """Go on as it is where the champion is the own challenger, promoted by a run that was killed, or a person."""
    candidate = consumer.candidate
    if candidate and champion.number == candidate.number and not recalled:
        consumer.win(candidate)
        consumer.checkpoint()
    elif champion.number != consumer.parent or recalled:
        _leave(consumer, champion)


def _leave(consumer: Consumer, champion: VersionRecord) -> None:
    """Leave what was learned on top of another version, and go on from this one, at once and for good.

    Who promoted it has shown, or knows, that it is better than the version which this learner went on from; so what was
    learned on top of that is worth less, and may descend from recalled rows.
    """
    left, parent = consumer.learned, consumer.parent
    consumer.go_on_from(champion)
    consumer.counts["champions followed"] += 1
    consumer.checkpoint()
    words = "version %d is champion: learning goes on from it; %s rows learned on from version %d are left behind"
    run_logger().info(words, champion.number, f"{left:,}", parent)


def begin_learner(spec: ModelSpec, files: ModelFiles, state: bytes | None) -> Learner:
    """A learner that goes on from a version, or from the state of one that did."""
    start_tensorflow()
    from learning.online import OnlineLearner

    return OnlineLearner(spec, files) if state is None else OnlineLearner.restore(state, spec, files)
