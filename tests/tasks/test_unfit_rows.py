"""Rows that a learner refuses though they arrived: a consumer counts them, and its stream goes on, in every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arriving import SCHEMA, Port, line
from streaming import Place, Slope, event, write

from learning.online_rows import label_of, packed, weight_of
from learning.schema import Schema
from settings import Settings
from tasks.online import Consumer


@pytest.fixture
def place(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home with a champion, whose learner is as strict as the real one."""

    def strict(spec: Any, files: Any, _state: Any) -> Slope:
        class Strict(Slope):
            def predict_one(self, row: dict[str, Any]) -> np.ndarray:
                packed(spec.schema, [row])
                return super().predict_one(row)

            def partial_fit(self, rows: Sequence[dict[str, Any]], labels: Sequence[float]) -> np.ndarray:
                for row, label in zip(rows, labels, strict=True):
                    weight_of(spec.schema, row)
                    label_of(spec.schema, spec.objective, label)
                return super().partial_fit(rows, labels)

        return Strict(files.head_digest)

    monkeypatch.setattr("streaming.slope", strict)
    home.home.mkdir(parents=True)
    return Place()


def with_schema(place: Place, **changes: Any) -> Schema:
    """The model's file is edited."""
    place.spec = replace(place.spec, schema=replace(SCHEMA, **changes))
    return place.spec.schema


def consume(place: Place, source: str) -> Consumer:
    """Learn what is there."""
    with place.consumer(source) as consumer:
        for events in consumer.portions(0):
            consumer.test_then_train(events)
    return consumer


def refused(consumer: Consumer) -> dict[str, int]:
    """What was refused, by its reason."""
    return {name.removeprefix("refused: "): n for name, n in consumer.counts.items() if name.startswith("refused")}


def land(place: Place, home: Settings, *lines: str) -> None:
    """Rows arrive, checked by the schema as it is now."""
    port = Port(home.home)
    port.land("a.csv", *lines)
    port.ingest()
    assert [one.rows for one in place.registry.partitions("small")] == [len(lines)]


def test_rows_from_before_a_rule_was_tightened_are_refused_and_the_others_learned(place: Place, home: Settings) -> None:
    """Ranges and words may be tightened at any time; those of old partitions that break them stop no run."""
    land(place, home, *(line(n, speed="90" if n == 3 else "10", city="Rome" if n == 7 else "Oslo") for n in range(10)))
    with_schema(place, ranges={"speed": (0, 50)}, allowed={"city": ("Oslo",)})
    consumer = consume(place, "partitions")
    assert refused(consumer) == {
        "a row's 'speed': it is outside of 0 to 50": 1,
        "a row's 'city': it is none of ['Oslo']": 1,
    }
    assert (consumer.events, consumer.scores.rows) == (10, 8)


def test_an_event_that_waited_while_a_rule_was_tightened_is_refused_when_its_label_comes(
    place: Place, tmp_path: Path
) -> None:
    """And waits no more: a label that comes again is that of no event."""
    stream = tmp_path / "events.jsonl"
    write(stream, [event(0, late=None, speed=90.0), event(1, late=None, speed=10.0)])
    consume(place, str(stream))
    with_schema(place, ranges={"speed": (0, 50)})
    write(stream, [{"key": [str(n), event(n)["at"]], "label": 1} for n in (0, 1, 0)])
    consumer = consume(place, str(stream))
    assert list(refused(consumer).values()) == [1, 1]
    assert (consumer.counts["labelled late"], consumer.scores.rows) == (1, 1)


def test_rows_from_before_there_were_weights_count_one(place: Place, home: Settings, tmp_path: Path) -> None:
    """As in a retrain: those of a partition, and those that waited for their label."""
    land(place, home, *(line(n) for n in range(5)))
    stream = tmp_path / "events.jsonl"
    write(stream, [event(0, late=None)])
    consume(place, str(stream))
    with_schema(place, weight="worth")
    consumer = consume(place, "partitions")
    assert (refused(consumer), consumer.scores.rows) == ({}, 5)
    write(stream, [{"key": ["0", event(0)["at"]], "label": 1}, event(1, worth=2)])
    consumer = consume(place, str(stream))
    assert (refused(consumer), consumer.scores.rows) == ({}, 2)


def test_a_tensor_that_may_be_missing_is_learned_as_a_retrain_does(place: Place, tmp_path: Path) -> None:
    """It is NaN all over; where it must be there, the event is refused."""
    with_schema(place, tensors={"pixels": (3,)}, nullable=("speed", "pixels"))
    stream = tmp_path / "events.jsonl"
    write(stream, [event(0, pixels=None), event(1, pixels=[1, 2, 3])])
    consumer = consume(place, str(stream))
    assert (refused(consumer), consumer.scores.rows) == ({}, 2)
    found = packed(place.spec.schema, [event(0, pixels=None), event(1, pixels=[1, 2, 3])])["pixels"]
    np.testing.assert_array_equal(found, [[np.nan] * 3, [1, 2, 3]])


def test_a_consumer_is_the_same_however_its_file_is_written(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each way would learn the file from its beginning."""
    monkeypatch.chdir(tmp_path)
    stream = tmp_path / "events.jsonl"
    write(stream, [event(n) for n in range(5)])
    for name in ("events.jsonl", "./events.jsonl", str(stream), f"../{tmp_path.name}/events.jsonl"):
        assert consume(place, name).events == 5
    assert {one.consumer for one in place.registry.checkpoints("small")} == {str(stream)}
