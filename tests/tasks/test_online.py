"""A consumer of events: each is predicted, scored and learned once, whatever it looks like and whoever is killed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from arriving import Port, line
from streaming import Place, Slope, bits, event, write

from errors import AnotherConsumer, TrainingDiverged, UnreachableSource
from learning.spec import RetrainPolicy
from settings import Settings
from tasks.challenge import challenge, freeze, is_proof_enough
from tasks.consume import ELSEWHERE, ending_of, follow_champion, save
from tasks.event_file import write_events
from tasks.online import Consumer
from tasks.online_view import facts, shown

endings: list[str] = []  # what the newest consumer said of itself


@pytest.fixture
def place(home: Settings) -> Place:
    """A home with a champion."""
    home.home.mkdir(parents=True)
    return Place()


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """An empty file of events."""
    path = tmp_path / "events.jsonl"
    path.touch()
    return path


def consume(place: Place, source: Path | str, *, most: int | None = None, **pace: Any) -> Consumer:
    """Learn what is there; at most so many portions, after which the process is as good as killed."""
    endings.clear()
    with place.consumer(str(source), **pace) as consumer:
        for number, events in enumerate(consumer.portions(0)):
            consumer.test_then_train(events)
            follow_champion(consumer)
            save(consumer)
            if number + 1 == most:
                consumer.changed = False  # nothing is saved on the way out
                break
        endings.append(ending_of(consumer).reason)
        endings.append(str(facts(consumer, 1.0)))
    return consumer


def test_each_event_is_predicted_and_learned_once(place: Place, stream: Path) -> None:
    """A fifth is held out: scored, and never learned. Later events go on where the run before ended."""
    write(stream, [event(number) for number in range(100)])
    first = consume(place, stream)
    held_out = first.counts["held out"]
    assert (first.events, first.scores.rows, first.learner.rows) == (100, 100, 100 - held_out)  # type: ignore[attr-defined]
    assert 8 < held_out < 35
    write(stream, [event(number) for number in range(100, 300)])
    second = consume(place, stream)
    assert (second.events, second.scores.rows) == (300, 300)
    assert second.scores.loss < first.scores.loss
    assert endings[0].startswith("300 events so far: ")


def test_a_killed_consumer_comes_to_the_same_bits(place: Place, stream: Path, tmp_path: Path) -> None:
    """Killed after any portion: weights, scores, counts and position are the same."""
    lines = [event(n) if n % 7 else event(n, late=None) for n in range(150)]
    late = [{"key": [str(n), event(n)["at"]], "label": event(n)["late"]} for n in range(0, 140, 7)]
    write(stream, [*lines, "no JSON", *late, *[event(n) for n in range(200, 260)]])
    whole = tmp_path / "whole.jsonl"
    whole.write_bytes(stream.read_bytes())
    consume(place, whole, stretch=16, seconds=1e9)
    for most in (1, 2, 3, 1, 4, 1, 2):
        consume(place, stream, most=most, stretch=16, seconds=0 if most == 3 else 1e9)
    consume(place, stream, stretch=16)
    assert bits(place.registry, str(stream)) == bits(place.registry, str(whole))


@pytest.mark.parametrize(
    "statement", ["db.artifacts.ArtifactStore.put", "db.remembered.Remembered.commit", "db.online.add_row"]
)
def test_a_consumer_killed_inside_of_a_checkpoint_comes_to_the_same_bits(
    place: Place, stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Before the file of the weights, the remembered events, or the registry's row are written."""
    whole = tmp_path / "whole.jsonl"
    for path in (stream, whole):
        write(path, [event(n, late=None) for n in range(12)])
        write(
            path, [{"key": [str(n), event(n)["at"]], "label": 1} for n in range(8)] + [event(n) for n in range(20, 40)]
        )
    consume(place, whole, stretch=10, waiting=5)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        consume(place, stream, most=2, stretch=10, waiting=5)
        patch.setattr(statement, killed)
        with pytest.raises(KeyboardInterrupt):
            consume(place, stream, stretch=10, waiting=5)
    consume(place, stream, stretch=10, waiting=5)
    assert bits(place.registry, str(stream)) == bits(place.registry, str(whole))


def test_what_is_no_event_is_refused_with_a_reason_and_the_others_go_on(place: Place, stream: Path) -> None:
    """Every kind has its own reason, which names columns, and never what stood in them."""
    bad = {
        "the line is no JSON": '{"at": "2024',
        "the line is no JSON object": '["secret"]',
        "city is missing": event(1, city=None),
        "speed is no number": event(1, speed="secret"),
        "city is none of the allowed values Oslo, Rome": event(1, city="secret"),
        "at is no time that exists, such as 2013-01-31T17:05:00Z, within the years 1 to 9999": event(1, at="secret"),
        "speed is outside 0 to 100": event(1, speed=1e6),
        "late is outside 0 to 1": event(1, late=7),
        "another event has the same key": event(0, speed=1.0),
        "at is more than 1 day ahead of now": event(8, at="2190-01-01T00:00:00Z"),
        "at is older than that of an event before it": event(9, at="2023-12-31T00:00:00Z"),
        "a label of no event that waits for one": {"key": ["secret", "2024-01-01T00:00:00Z"], "label": 1},
        "the label is missing": {"key": ["1", "2024-01-01T00:00:00Z"], "label": None},
        "late is no number": {"key": ["1", "2024-01-01T00:00:00Z"], "label": "secret"},
        "the line holds half a character (a surrogate without its pair)": '{"city": "\\ud800"}',
    }
    nan = json.dumps(event(1, speed=1.5)).replace("1.5", "NaN")  # it may be null, and NaN is how Python writes that
    write(stream, [event(0), *bad.values(), nan, event(2)])
    consumer = consume(place, stream)
    refused = {name.removeprefix("refused: "): n for name, n in consumer.counts.items() if name.startswith("refused")}
    assert refused == dict.fromkeys(bad, 1)
    assert consumer.scores.rows == 3
    told = f"{endings} {place.registry.checkpoints('small')}"
    assert "secret" not in told


def test_missing_numbers_are_refused_where_the_schema_wants_them(place: Place, stream: Path) -> None:
    """NaN, null and a column that is not there are the same."""
    place.spec = replace(place.spec, schema=replace(place.spec.schema, nullable=()))
    nan = json.dumps(event(1, speed=1.5)).replace("1.5", "NaN")
    without = {name: value for name, value in event(1).items() if name != "speed"}
    write(stream, [nan, event(1, speed=None), without, event(2)])
    consumer = consume(place, stream)
    assert (consumer.counts["refused: speed is missing"], consumer.scores.rows) == (3, 1)


def test_a_late_label_is_scored_by_the_version_that_predicted(place: Place, stream: Path) -> None:
    """It was predicted before another version became champion; it is learned by what learns now."""
    write(stream, [event(n, late=None) for n in range(5)])
    consume(place, stream)
    place.promote(place.version())
    write(stream, [{"key": {"id": str(n), "at": event(n)["at"]}, "label": 1} for n in range(4)])
    write(stream, [event(4, late=1), event(5)])  # the fifth comes again, with its label
    consumer = consume(place, stream)
    assert consumer.counts["labelled late"] == 5
    assert {number: of[0] for number, of in consumer.scores.sums.items()} == {"1": 5, "2": 1}
    assert consumer.learner.version == "head1"  # type: ignore[attr-defined]
    assert consumer.counts["learned"] == 6 - consumer.counts["held out"]


def test_labels_that_never_come_are_given_up_and_counted(place: Place, stream: Path) -> None:
    """After a time, by the clock of the events; and where too many wait, the oldest."""
    write(stream, [event(n, late=None) for n in range(8)] + [event(n) for n in (3000, 3001)])
    consumer = consume(place, stream, stretch=5, waiting=4, patience=1.0)
    assert consumer.counts["expired"] == 8
    write(stream, [{"key": ["0", event(0)["at"]], "label": 1}])
    assert consume(place, stream).counts["refused: a label of no event that waits for one"] == 1


def test_another_champion_is_followed_between_two_events(place: Place, stream: Path) -> None:
    """What was learned on top of the old one is left behind; no event is learned twice, or lost."""
    write(stream, [event(n) for n in range(40)])
    with place.consumer(str(stream), stretch=20) as consumer:
        for events in consumer.portions(0):
            consumer.test_then_train(events)
            if consumer.events == 20 and consumer.parent == 1 and events:
                place.promote(place.version())
            follow_champion(consumer)
            save(consumer)
    assert (consumer.parent, consumer.learner.version, consumer.events) == (2, "head1", 40)  # type: ignore[attr-defined]
    assert consumer.learner.rows < 20  # type: ignore[attr-defined]
    assert consumer.counts["champions followed"] == 1
    assert {number: of[0] for number, of in consumer.scores.sums.items()} == {"1": 20, "2": 20}


def test_two_consumers_of_a_model_never_run_at_once(place: Place, stream: Path) -> None:
    """The second is refused with a sentence, whatever it reads."""
    write(stream, [event(0)])
    with (
        place.consumer(str(stream)),
        pytest.raises(AnotherConsumer, match="another run learns them"),
        place.consumer("partitions"),
    ):
        pass


def test_a_file_that_is_not_there_is_refused(place: Place, tmp_path: Path) -> None:
    """Rather than waited for: a misspelt name would look like a quiet stream."""
    with pytest.raises(UnreachableSource, match="it cannot be read"), place.consumer(str(tmp_path / "none.jsonl")):
        pass


def test_old_files_of_weights_go(place: Place, stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that runs for months keeps a few of them."""
    monkeypatch.setattr("db.online.KEPT", 3)
    write(stream, [event(n) for n in range(60)])
    consume(place, stream, stretch=6)
    assert len(place.registry.checkpoints("small", limit=99)) == 11
    assert len(place.store.find("online/")) == 3


def test_it_shows_how_it_fares(place: Place, stream: Path) -> None:
    """Events and how many are left, scores, refusals with their reasons, champion and challenger."""
    write(stream, [event(0), event(0), event(1, late=None)])
    consume(place, stream)
    with place.consumer(str(stream)) as consumer, shown(consumer) as show:
        show()
        found = facts(consumer, 12.0)
    assert found["events"] == "3, 12 a second; behind by 0"
    assert found["refused"] == "1: another event has the same key (1)"
    assert found["waiting"] == "1 for their label; expired 0"
    assert found["champion"].startswith("version 1")


def test_tensorboard_draws_how_it_fares(place: Place, stream: Path, home: Settings) -> None:
    """The loss of all events and the figures of the newest, by the number of events; nothing where none came."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    write(stream, [event(0), event(1)])
    with place.consumer(str(stream)) as consumer, shown(consumer):
        pass
    assert not list(home.logs.rglob("*tfevents*"))
    with place.consumer(str(stream)) as consumer, shown(consumer):
        for events in consumer.portions(0):
            consumer.test_then_train(events)
        loss = consumer.scores.loss
    drawn = EventAccumulator(str(home.logs / "small" / "online")).Reload()
    (point,) = drawn.Tensors("loss")
    assert (point.step, float(make_ndarray(point.tensor_proto))) == (2, pytest.approx(loss))
    assert "newest/accuracy" in drawn.Tags()["tensors"]


def test_what_has_arrived_is_learned_row_by_row_and_is_known_to_the_version(place: Place, home: Settings) -> None:
    """A frozen challenger names the partitions that it learned whole, and in part; what is recalled is left behind."""
    port = Port(home.home)
    for day in (1, 2):
        port.land(f"{day}.csv", *(line(100 * day + number, day=day) for number in range(10)))
        port.ingest()
    first, second = (partition.digest for partition in port.partitions())
    with place.consumer("partitions") as consumer:
        for most in (10, 4):
            consumer.test_then_train(consumer.source.read(consumer.position, most))
        freeze.fn(consumer.run, consumer)
    assert consumer.candidate is not None
    number, registry = consumer.candidate.number, place.registry
    assert registry.version("small", number).parent == 1
    assert [p.digest for p in registry.learned_by("small", number)] == [first]
    assert [p.digest for p in registry.learned_by("small", number, "partly")] == [second]
    registry.recall("small", first, reason="wrong", actor="me")
    consumer = consume(place, "partitions")
    assert (consumer.events, consumer.counts["champions followed"], consumer.candidate) == (20, 1, None)
    assert consumer.learner.rows <= 6  # type: ignore[attr-defined]


def test_rows_that_came_after_the_challenger_prove_it(place: Place, stream: Path, tmp_path: Path) -> None:
    """Also one that was labelled later, and none that came before it; they are typed as a partition is."""
    write(stream, [event(n, late=None if n % 5 == 4 else 1) for n in range(40)])
    consume(place, stream, most=1, stretch=20, seconds=0.0)
    write(stream, [{"key": [str(n), event(n)["at"]], "label": 0} for n in (4, 24)])
    with place.consumer(str(stream), stretch=20) as consumer:
        freeze.fn(consumer.run, consumer)
        for events in consumer.portions(0):
            consumer.test_then_train(events)
        record, file = write_events(place.spec, consumer.remembered.proof(), tmp_path)
        assert is_proof_enough(consumer, replace(consumer.candidate, learned=0)) is False  # type: ignore[type-var]
    rows = pl.read_parquet(file.path)
    assert sorted(map(int, rows["id"])) == [n for n in range(20, 40) if n % 5 != 4 or n == 24]
    assert rows.schema["at"] == pl.Datetime("us", "UTC")
    assert (record.rows, record.time_from, rows["late"].sum()) == (17, rows["at"][0], 16.0)
    assert rows["holdout"].any()


def test_a_challenger_is_frozen_once_enough_was_learned_and_waits_for_its_proof_through_restarts(
    place: Place, stream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short run challenges too, as rest is counted from the last verdict; after a verdict it rests."""
    monkeypatch.setattr("tasks.challenge.freeze", freeze.fn)
    place.spec = replace(place.spec, retrain=RetrainPolicy(min_rows=10))
    write(stream, [event(n) for n in range(8)])
    with place.consumer(str(stream)) as consumer:
        consumer.test_then_train(next(consumer.portions(0)))
        challenge(consumer)
        assert consumer.candidate is None
    write(stream, [event(n) for n in range(8, 30)])
    with place.consumer(str(stream)) as consumer:
        consumer.test_then_train(next(consumer.portions(0)))
        challenge(consumer)
        frozen = consumer.candidate
        assert frozen is not None
    with place.consumer(str(stream)) as consumer:
        assert consumer.candidate == frozen
        place.promote(frozen.number)  # as a run that was killed just then had done
    with place.consumer(str(stream)) as consumer:
        assert (consumer.parent, consumer.counts["promoted"], consumer.candidate) == (frozen.number, 1, None)
        assert consumer.learner.version == "head0"  # type: ignore[attr-defined] # it was not begun anew
        consumer.learned = 99
        challenge(consumer)
        assert consumer.candidate is None


def test_on_another_machine_it_goes_on_and_says_what_is_missing(place: Place, stream: Path) -> None:
    """Weights and scores are as they were; of events that waited for their label only their place was left behind."""
    write(stream, [event(0, late=None), event(1)])
    consume(place, stream)
    shutil.rmtree(place.settings.home / "online")
    write(stream, [{"key": ["0", event(0)["at"]], "label": 1}])
    consumer = consume(place, stream)
    assert consumer.run.attention == [ELSEWHERE]
    assert (consumer.scores.rows, consumer.counts["refused: a label of no event that waits for one"]) == (1, 1)


def test_a_divergence_costs_one_event_and_what_was_learned(
    place: Place, stream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learning goes on from the champion, and comes to the same bits whether events came in a burst or one by one."""
    learn, culprit = Slope.partial_fit, 33.0

    def diverging(slope: Slope, rows: Any, labels: Any) -> Any:
        place = next((n for n, row in enumerate(rows) if row["speed"] == culprit), len(rows))
        found = learn(slope, rows[:place], labels[:place])
        if place < len(rows):
            error = TrainingDiverged("a learner", "a weight is NaN", "lower the rate")
            error.before = found
            raise error
        return found

    monkeypatch.setattr(Slope, "partial_fit", diverging)
    burst, alone = stream, stream.with_name("alone.jsonl")
    for path in (burst, alone):
        write(path, [event(n) if n != 14 else event(n, speed=culprit) for n in range(30)])
    consume(place, alone, stretch=1)
    consumer = consume(place, burst, stretch=10)
    assert (consumer.events, consumer.scores.rows, consumer.counts["lost to a divergence"]) == (30, 29, 1)
    assert consumer.counts["learned"] == 29 - consumer.counts["held out"]
    mine, other = (bits(place.registry, str(path)) for path in (burst, alone))
    assert mine == other
    assert consumer.run.attention == [
        "a learner: a weight is NaN. To fix it: lower the rate. Learning went on from version 1"
    ]
