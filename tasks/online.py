"""A consumer of events: each is predicted and scored, then learned, once; position and weights are one fact.

After `kill -9` a consumer goes on from its newest checkpoint, and reads again what came behind it. It then comes to the
very bits of a run that nobody killed, since weights, scores and counts depend on the events alone: never on the clock
(but to refuse what lies ahead of it), nor on how many there were at a time (a burst is learned as if one by one).
"""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from arrivals.events import Event, LateLabel, Refused
from db.online_records import ONLINE, CheckpointRecord, NewCheckpoint
from db.remembered import Remembered
from errors import TrainingDiverged
from evaluation.prequential import Prequential
from evergreen_client.artifacts import StoredArtifact
from learning.online_rows import refusal
from tasks.online_book import Book
from tasks.online_learner import Begin, Candidate, Learner, Pace, Row, Waiting
from tasks.run import Run

if TYPE_CHECKING:
    from arrivals.event_sources import Portion, Source
    from arrivals.events import Judged
    from db.records import VersionRecord

REASONS = 40  # different ones that are counted by themselves
OTHER = "refused: for other reasons"
DAY = 86_400.0


class Consumer:
    """What learns the events of one model, from one source, in one run.

    Args:
        run: the run.
        source: where events come from.
        remembered: keys, predictions without label, and rows that prove.
        begin: makes the learner.
        pace: how it goes about it.
    """

    def __init__(self, run: Run, source: Source, remembered: Remembered, begin: Begin, pace: Pace) -> None:
        self.run, self.source, self.remembered, self.pace = run, source, remembered, pace
        self.name = ""
        self._begin, self._spec = begin, run.context.spec  # the spec with the columns that the learner takes
        self.learner: Learner
        self.book = Book(run, kept=not source.checked)  # of partitions, whoever takes them keeps it
        self.number = self.events = self.learned = self.seen = 0
        self.parent = self.origin = 0  # the champion, and the version that the learner was made from
        self.position = self.since = ""
        self.newest = -math.inf
        self.counts: Counter[str] = Counter()
        self.scores = Prequential(run.context.spec.objective)
        self.candidate: Candidate | None = None
        self.challenged = 0.0  # when a challenger was last judged, in seconds since 1970
        self._saved = time.monotonic()
        self.changed = False
        self.over = ""  # why nothing more is to be learned
        self._queue: list[Waiting] = []

    # Reading
    def portions(self, minutes: float) -> Iterator[Portion]:
        """Events as they come, until so many minutes are over; of 0 minutes, until none is left."""
        end = time.monotonic() + 60 * minutes
        while True:
            left = self.pace.stretch - self.events % self.pace.stretch  # a stretch ends at the same event always
            portion = self.source.read(self.position, left)
            yield portion  # also an empty one: a checkpoint may be due, or another champion be there
            if self.over:
                return
            if not portion and (self.source.ended or not (minutes or self.source.ends)):
                return
            if minutes and time.monotonic() > end:
                return
            if not portion:
                time.sleep(self.pace.poll)

    # Testing, then training
    def test_then_train(self, portion: Portion) -> None:
        """Predict and score events, and learn those that may be learned: all that are there in one burst."""
        for judged, position in portion:
            self.events, self.position, self.changed = self.events + 1, position, True
            self._take(judged)
        self._learn()
        if self.changed and self.events % self.pace.stretch == 0:
            before = self.newest - self.pace.patience * DAY
            self.counts["expired"] += self.remembered.expire(before, self.pace.waiting)

    def _take(self, judged: Judged) -> None:
        if isinstance(judged, Refused):
            self._refuse(judged.reason)
        elif isinstance(judged, LateLabel):
            if not self._late(judged.key, judged.label):
                self._refuse("a label of no event that waits for one")
        elif judged.label is None or not self._late(judged.key, judged.label):
            if reason := self._unfit(judged.row, judged.label) or self._out_of_place(judged):
                self._refuse(reason)
            else:
                self._event(judged)

    def _out_of_place(self, event: Event) -> str:
        """Why an event is refused beside those that came before, or "": rows of partitions were seen to at intake."""
        if self.source.checked:
            return ""
        if event.at < self.newest:
            return f"{self.run.context.spec.schema.event_time} is older than that of an event before it"
        return "" if self.remembered.is_new(event.key) else "another event has the same key"

    def _unfit(self, row: Row, label: float | None) -> str:
        """Why what learns now refuses a row, or "": it may have arrived, or waited, since before a rule of the schema.

        An error that left here would end every run at the same event.
        """
        return refusal(self._spec.schema, self._spec.objective, row, label)

    def _event(self, event: Event) -> None:
        self.newest = max(self.newest, event.at)
        kept = {"row": event.row, "holdout": event.holdout, "event": self.events}
        if event.label is not None and not event.holdout:
            self._queue.append(Waiting(kept, event.label, True, self.position))
            return
        self._learn()  # first: what is only predicted meets the weights that the events before it left
        prediction = self._predict(event.row)
        if event.label is None:
            self.counts["without label"] += 1
            self.remembered.keep(event.key, kept, prediction, version=self.parent, at=event.at)
        else:
            self._score(kept, event.label, prediction, self.parent)

    def _late(self, key: str, label: float) -> bool:
        """Score an event whose label has come by the version that predicted it, and learn it; False if none waits."""
        found = self.remembered.labelled(key)
        if found is None:
            return False
        if reason := self._unfit(found.row["row"], label):
            self._refuse(reason)
            return True
        self._learn()
        self.counts["labelled late"] += 1
        self._score(found.row, label, found.prediction, found.version)
        if not found.row["holdout"]:
            self._queue.append(Waiting(found.row, label, False, self.position))
        return True

    def _learn(self) -> None:
        """Learn what waits in the queue, one after the other, and score what was predicted of each before that.

        Where learning diverges, only the event is lost at which that was seen; those behind it are learned on from the
        champion, as they were if they had come one by one.
        """
        queue, self._queue = self._queue, []
        while queue:
            try:
                found = self.learner.partial_fit([one.kept["row"] for one in queue], [one.label for one in queue])
            except TrainingDiverged as error:
                self._learned(queue, error.before)
                culprit, queue = queue[len(error.before)], queue[len(error.before) + 1 :]
                self.counts["lost to a divergence"] += 1
                self.start_over(error)
                self.since = self.source.past(culprit.position)  # what is behind it is learned now
            else:
                self._learned(queue, found)
                queue = []

    def _learned(self, queue: Sequence[Waiting], predictions: Any) -> None:
        """Score and count the first events of a queue, of which there are predictions: they were learned."""
        found = [np.asarray(one, "float32").reshape(-1).tolist() for one in predictions]
        for one, prediction in zip(queue, found, strict=False):
            if one.unscored:
                self._score(one.kept, one.label, prediction, self.parent)
        self.counts["learned"] += len(found)
        self.learned += len(found)

    def _predict(self, row: Row) -> list[float]:
        """What is predicted of a row from which nothing is learned now."""
        found = np.asarray(self.learner.predict_one(row), "float32").reshape(-1)
        if not np.isfinite(found).all():  # the event before it broke the weights
            why, fix = "a prediction is no finite number any more", "a lower rate"
            self.start_over(TrainingDiverged("an online learner", why, fix))
            found = np.asarray(self.learner.predict_one(row), "float32").reshape(-1)
        return list(map(float, found))

    def start_over(self, error: TrainingDiverged) -> None:
        """Learn on from the champion: the same weights would diverge again after every restart."""
        self.run.attention.append(f"{error} Learning went on from version {self.parent}")
        self.go_on_from(self.run.context.registry.version(self.run.model, self.parent))

    def _score(self, kept: Row, label: float, prediction: list[float], version: int) -> None:
        self.scores.add(label, prediction, version=version)
        self.counts["held out"] += kept["holdout"]
        if version == self.parent:  # else it came before the promotion
            self.book.add(kept, label)
        if self.candidate and kept["event"] > self.candidate.events:
            self.remembered.prove(kept, label)

    def _refuse(self, reason: str) -> None:
        named = f"refused: {reason}"
        known = named in self.counts or sum(name.startswith("refused") for name in self.counts) < REASONS
        self.counts[named if known else OTHER] += 1

    # Where it is
    @property
    def is_due(self) -> bool:
        """Whether a checkpoint is worth it now."""
        over = self.events % self.pace.stretch == 0 or time.monotonic() - self._saved > self.pace.seconds
        return self.changed and over

    def checkpoint(self) -> None:
        """Store the weights, then say in one transaction how far this consumer has come.

        The remembered events come between: of a checkpoint that the registry never gets, they know how to go back.
        """
        context, number, stored = self.run.context, self.number + 1, self._stored()
        self.remembered.commit(number)
        state = {"origin": self.origin, "since": self.since, "learned": self.learned, "sums": self.scores.sums}
        state |= {"newest": self.newest if math.isfinite(self.newest) else None}
        state |= {"candidate": asdict(self.candidate) if self.candidate else None, "challenged": self.challenged}
        new = NewCheckpoint(
            *(self.run.model, self.name, number, self.run.id, self.parent, self.events, self.position),
            *(dict(self.counts), state, self.scores.rows, self.scores.loss, self.scores.window_loss, stored),
            losses=self.book.losses(),
        )
        for uri in context.registry.add_checkpoint(new):
            context.store.remove(uri, unless_since=datetime.now(UTC))
        self.remembered.settle(number)
        self.number, self._saved, self.changed = number, time.monotonic(), False

    def _stored(self) -> StoredArtifact:
        """The learner's state and the newest scores, as a file that is known by its bytes."""
        memory = io.BytesIO()
        learner = np.frombuffer(self.learner.state(), "uint8")
        np.savez(memory, learner=learner, **self.scores.arrays())  # type: ignore[arg-type]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "state.npz"
            path.write_bytes(memory.getvalue())
            digest = hashlib.sha256(memory.getvalue()).hexdigest()
            return self.run.context.store.put(path, kind=ONLINE, digest=digest)

    def go_on_from(self, champion: VersionRecord) -> None:
        """Learn on from a champion's weights; what was learned on top of another one's is left behind."""
        self.learner = self._learner(champion, None)
        self.parent = self.origin = champion.number
        self.book.open(self.parent)
        self.learned, self.candidate = 0, None
        self.remembered.end_proof()
        self.position = self.source.past(self.position)
        self.since, self.changed = self.position, True

    def win(self, candidate: Candidate) -> None:
        """The challenger is champion, and this learner, which has learned on from it, goes on as it is."""
        self.parent, self.since = candidate.number, candidate.position
        self.book.open(self.parent)
        self.learned -= candidate.learned
        self.counts["promoted"] += 1
        self.end_challenge()

    def end_challenge(self) -> None:
        """There is no challenger any more, and a while there will be none."""
        self.candidate, self.challenged, self.changed = None, time.time(), True
        self.remembered.end_proof()

    def restore(self, found: CheckpointRecord) -> None:
        """Go on from a checkpoint."""
        context, state = self.run.context, found.state
        self.number, self.events, self.position, self.parent = (
            *(found.number, found.events, found.position, found.champion),
        )
        self.since, self.learned, self.counts = state["since"], state["learned"], Counter(found.counts)
        self.newest = -math.inf if state["newest"] is None else state["newest"]
        self.candidate = Candidate(**state["candidate"]) if state["candidate"] else None
        self.scores = Prequential(context.spec.objective, state["sums"])
        self.origin, self.challenged = state["origin"], state["challenged"]
        with np.load(context.store.fetch(found.stored), allow_pickle=False) as arrays:
            self.scores.restore(arrays)
            version = context.registry.version(self.run.model, self.origin)
            self.learner = self._learner(version, arrays["learner"].tobytes())
        self.book.open(self.parent)

    def _learner(self, version: VersionRecord, state: bytes | None) -> Learner:
        context = self.run.context
        self._spec = context.spec_of(version)
        return self._begin(self._spec, context.model_files(version), state)
