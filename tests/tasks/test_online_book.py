"""What came of a promotion on a stream's events: both versions' losses, and a champion that is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arriving import SCHEMA, SPEC
from streaming import Place, Slope, event, write

from db.verdict_records import NewEvaluation
from errors import ArtifactMissing, TrainingDiverged
from learning.data import PartitionFile, select
from learning.files import ModelFiles
from learning.prediction import Predictions
from learning.spec import Gate, ModelSpec
from settings import Settings
from tasks import online_book
from tasks.consume import follow_champion, save, take_back
from tasks.online import Consumer

CHANCES = {"head0": 0.5, "head1": 0.9}  # what versions 1 and 2 say of each event; all of them happen


def said(spec: ModelSpec, files: ModelFiles, partitions: Sequence[PartitionFile], **_: Any) -> Predictions:
    """A version of these tests says the same of every row."""
    (found,) = select(spec.schema, partitions, "all")
    chances = np.full((len(found.rows), 1), CHANCES[files.head_digest], "float32")
    weight = None if found.weight is None else found.weight
    return Predictions(found.target, chances, np.zeros(len(found.rows), int), found.rows, {}, found.block, weight)


@pytest.fixture
def place(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home where version 2 took the place of version 1, by the gate; a block is ten minutes."""
    monkeypatch.setattr(online_book, "predict", said)
    home.home.mkdir(parents=True)
    place = Place(replace(SPEC, schema=replace(SCHEMA, block="10m"), gate=Gate(watch=4)))
    promote(place)
    return place


def promote(place: Place) -> None:
    """Let the gate promote one more version."""
    number, seen = place.version(), place.registry.sequence("small")
    verdict = NewEvaluation(None, "small", number, number - 1, True, "better", (), (), -0.5, -0.9, 0.1)
    row = place.registry.record_evaluation(verdict)
    how = {"kind": "promote", "actor": "gate", "reason": "better", "evaluation_id": row}
    place.registry.promote("small", number, seen=seen, **how)  # type: ignore[arg-type]


def learn(place: Place, stream: Path, **pace: Any) -> Consumer:
    """Learn what is there, and watch."""
    with place.consumer(str(stream), **pace) as consumer:
        for events in consumer.portions(0):
            consumer.test_then_train(events)
            follow_champion(consumer)
            if save(consumer):
                take_back(consumer)
    return consumer


def test_both_versions_are_scored_on_what_came_after_a_promotion(place: Place, tmp_path: Path) -> None:
    """Whatever the learner has become; each event counts once, and a killed run's are scored by the next one."""
    stream = tmp_path / "events.jsonl"
    write(stream, [event(number, late=1) for number in range(30)])
    with place.consumer(str(stream), stretch=12) as consumer:  # killed after the second portion, before it is saved
        for _ in range(2):
            consumer.test_then_train(consumer.source.read(consumer.position, 12))
        consumer.changed = False
    assert place.registry.promises("small")[0].rows == 0
    learn(place, stream, stretch=12)
    (promise,) = place.registry.promises("small")
    assert (promise.number, promise.predecessor, promise.rows, promise.blocks) == (2, 1, 30, 3)
    assert promise.came == pytest.approx(np.log(0.9) / np.log(0.5) - 1, rel=1e-5)
    assert promise.held is True


def test_a_label_of_before_the_promotion_says_nothing_of_it(place: Place, tmp_path: Path) -> None:
    """Version 1 had predicted that event."""
    stream = tmp_path / "events.jsonl"
    write(stream, [event(number, late=None) for number in range(3)])
    learn(place, stream)
    promote(place)
    CHANCES["head2"] = 0.7
    write(stream, [event(number, late=1) for number in range(3)] + [event(number, late=1) for number in range(3, 7)])
    learn(place, stream)
    assert [promise.rows for promise in place.registry.promises("small")] == [0, 4]


def test_rows_that_weigh_nothing_and_a_time_that_is_unknown(place: Place, tmp_path: Path) -> None:
    """The first are in no mean; where rows have no time, what came since a checkpoint is one block."""
    stream = tmp_path / "events.jsonl"
    schema = replace(SCHEMA, time=None, key=("id",), block="arrival", weight="worth")
    place.spec = replace(place.spec, schema=schema)
    write(stream, [event(number, late=1, worth=float(number % 2)) for number in range(10)])
    learn(place, stream)
    (promise,) = place.registry.promises("small")
    assert (promise.rows, promise.blocks) == (10, 1)


def test_a_champion_that_is_shown_worse_is_taken_back(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between two events, after three blocks that are over, which is told at once; its predecessor is gone on from."""
    sent: list[str] = []
    tell = lambda registry, _settings: sent.append(registry.promotions("small")[-1].kind) or "nobody is there"  # noqa: E731
    monkeypatch.setattr("tasks.consume.deliver_promotions", tell)
    stream = tmp_path / "events.jsonl"
    write(stream, [event(number, late=int(number % 7 == 0)) for number in range(60)])
    consumer = learn(place, stream, stretch=10)
    (taken,) = consumer.run.attention
    assert taken.startswith("rolled back to version 1: shown worse than version 1 over 3 blocks: ")
    newest = place.registry.promotions("small")[-1]
    assert (newest.kind, newest.actor, newest.number, consumer.parent) == ("rollback", "watch", 1, 1)
    assert sent == ["rollback"]
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [taken, "nobody is there"]


def test_a_divergence_within_a_portion_leaves_a_block_whole(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events before and behind it are of one time block and one checkpoint: their losses are one row a version."""
    learn_rows, culprit = Slope.partial_fit, 33.0

    def diverging(slope: Slope, rows: Any, labels: Any) -> Any:
        number = next((n for n, row in enumerate(rows) if row["speed"] == culprit), len(rows))
        found = learn_rows(slope, rows[:number], labels[:number])
        if number < len(rows):
            error = TrainingDiverged("a learner", "a weight is NaN", "lower the rate")
            error.before = found
            raise error
        return found

    monkeypatch.setattr(Slope, "partial_fit", diverging)
    stream = tmp_path / "events.jsonl"
    write(stream, [event(number, late=1, **({"speed": culprit} if number == 4 else {})) for number in range(10)])
    consumer = learn(place, stream, stretch=10)
    assert (consumer.counts["lost to a divergence"], consumer.number) == (1, 2)
    (promise,) = place.registry.promises("small")
    assert (promise.rows, promise.blocks) == (9, 1)


def test_rows_that_weigh_more_count_more_however_checkpoints_fall(place: Place, tmp_path: Path) -> None:
    """A block's loss is that of all its events at once."""
    place.spec = replace(place.spec, schema=replace(SCHEMA, block="10m", weight="worth"))
    events = [event(number, late=int(number < 5), worth=1.0 if number < 5 else 9.0) for number in range(11)]
    found = []
    for stretch in (5, 100):
        stream = tmp_path / f"{stretch}.jsonl"
        write(stream, events)
        learn(place, stream, stretch=stretch)
        found.append([one for one in place.registry.online_losses("small", (2,)) if one.partition == str(stream)])
    in_parts, at_once = ([(one.rows, pytest.approx(one.loss)) for one in some] for some in found)
    assert in_parts == at_once
    assert found[0][0].loss == pytest.approx(-0.1 * np.log(0.9) - 0.9 * np.log(0.1), rel=1e-5)


def test_a_block_whose_loss_is_unknown_for_one_is_left_out_for_both(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the other one would be judged on rows that this one is not."""
    known = online_book.row_losses

    def overflowing(objective: Any, target: Any, prediction: Any) -> Any:
        losses = known(objective, target, prediction)
        losses[:3] = np.inf if prediction[0, 0] > 0.6 else losses[:3]
        return losses

    monkeypatch.setattr(online_book, "row_losses", overflowing)
    stream = tmp_path / "events.jsonl"
    write(stream, [event(number, late=1) for number in range(30)])
    learn(place, stream)
    assert [(one.number, one.rows) for one in place.registry.online_losses("small", (1, 2))] == [(1, 10), (2, 10)]
    assert [(one.rows, one.blocks) for one in place.registry.promises("small")] == [(20, 2)]


def test_a_predecessor_whose_files_are_gone_stops_nobody(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learning goes on, and the run says what is not known."""

    def gone(spec: ModelSpec, files: ModelFiles, *given: Any, **named: Any) -> Predictions:
        if files.head_digest == "head1":
            return said(spec, files, *given, **named)
        raise ArtifactMissing("base0", "its file is gone", "restore it")

    monkeypatch.setattr(online_book, "predict", gone)
    stream = tmp_path / "events.jsonl"
    write(stream, [event(number, late=1) for number in range(30)])
    consumer = learn(place, stream, stretch=10)
    assert consumer.counts["learned"] + consumer.counts["held out"] == 30
    (said_once,) = consumer.run.attention
    assert said_once.endswith("What comes of version 2 is not written down")
    with place.registry.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM online_loss").scalar() == 0, "half a comparison"
