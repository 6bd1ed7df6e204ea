"""A consumer goes on whatever became of its weights, or of the model's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streaming import Place, event, write

from db.records import came_to
from settings import Settings
from tasks.consume import ending_of
from tasks.online import Consumer
from tasks.run import STATES


@pytest.fixture
def place(home: Settings) -> Place:
    """A home with a champion."""
    home.home.mkdir(parents=True)
    return Place()


def consume(place: Place, stream: Path) -> Consumer:
    """Learn what is there."""
    with place.consumer(str(stream)) as consumer:
        for events in consumer.portions(0):
            consumer.test_then_train(events)
        ending_of(consumer)
    return consumer


@pytest.mark.parametrize("lost", ["gone", "changed"])
def test_weights_that_are_lost_cost_what_was_learned_and_not_the_place(place: Place, tmp_path: Path, lost: str) -> None:
    """As of a registry that came back from a backup: position and counts stay, and the champion is gone on from."""
    stream = tmp_path / "events.jsonl"
    write(stream, [event(n) for n in range(20)])
    consume(place, stream)
    for path in (Path(place.settings.artifact_root) / "online").rglob("*.npz"):
        path.unlink() if lost == "gone" else path.write_bytes(b"other bytes")
    write(stream, [event(n) for n in range(20, 30)])
    consumer = consume(place, stream)
    assert (consumer.events, consumer.scores.rows, consumer.parent) == (30, 30, 1)
    assert consumer.counts["learned"] > consumer.learned == consumer.learner.rows > 0  # type: ignore[attr-defined]
    (told,) = consumer.run.attention
    assert told.endswith("Learning went on from version 1")
    assert consume(place, stream).run.attention == [], "what it saved since is whole"


def test_a_renamed_model_goes_on_with_its_keys_and_waiting_events(place: Place, tmp_path: Path) -> None:
    """A label finds the event that was predicted under the old name, and a key that came is known."""
    stream = tmp_path / "events.jsonl"
    write(stream, [event(0, late=None), event(1)])
    consume(place, stream)
    place.registry.rename("small", "tiny", reason="shorter", actor="me")
    place.spec = replace(place.spec, name="tiny")
    write(stream, [{"key": ["0", event(0)["at"]], "label": 1}, event(1)])
    consumer = consume(place, stream)
    assert consumer.run.attention == []
    assert (consumer.counts["labelled late"], consumer.counts["refused: another event has the same key"]) == (1, 1)


def test_a_run_that_learned_has_a_name_in_prefect_also_where_somebody_should_look(place: Place, tmp_path: Path) -> None:
    """What it came to is known beside what needs attention."""
    stream = tmp_path / "events.jsonl"
    write(stream, [event(0)])
    with place.consumer(str(stream)) as consumer:
        ending = ending_of(consumer)
    (run,) = place.registry.runs("small", limit=1)
    wanting = ending.with_attention(["events were lost"])
    assert came_to(replace(run, outcome=wanting.outcome, reason=wanting.reason)) == ending.outcome == "learned"
    assert STATES[ending.outcome] == "Learned"
