"""A challenger that passed: a person has the last word where the model says so, and receivers hear at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streaming import Place, event, write

from db.approvals import Answer
from db.registry import ModelRegistry
from db.verdict_records import NewEvaluation
from learning.spec import Gate, RetrainPolicy
from settings import Settings
from tasks import challenge as file
from tasks.consume import follow_champion
from tasks.evaluate import PromotionDecision
from tasks.online import Consumer


@pytest.fixture
def place(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home with a champion, a gate that lets everything pass, and challengers that always work."""

    def passed(consumer: Consumer, number: int, _folder: Path) -> PromotionDecision:
        verdict = NewEvaluation(consumer.run.id, "small", number, consumer.parent, True, "better", ())
        row = consumer.run.context.registry.record_evaluation(verdict)
        return PromotionDecision(number, consumer.parent, consumer.seen, row, True, True, False, "better")

    monkeypatch.setattr(file, "evaluate", passed)
    monkeypatch.setattr(file, "is_usable", lambda *_: True)
    monkeypatch.setattr(file, "freeze", file.freeze.fn)
    monkeypatch.setattr(file, "judge_candidate", file.judge_candidate.fn)
    monkeypatch.setattr(file, "is_proof_enough", lambda consumer, _: any(consumer.remembered.proof_labels().values()))
    home.home.mkdir(parents=True)
    place = Place()
    place.spec = replace(place.spec, retrain=RetrainPolicy(min_rows=5))
    return place


def learn(place: Place, stream: Path, first: int, **pace: Any) -> Consumer:
    """Learn ten events more, in a run of its own."""
    write(stream, [event(number) for number in range(first, first + 10)])
    with place.consumer(str(stream), between=0.0, **pace) as consumer:
        for events in consumer.portions(0):
            consumer.test_then_train(events)
            follow_champion(consumer)
            file.challenge(consumer)
    return consumer


def test_a_person_has_the_last_word(place: Place, tmp_path: Path) -> None:
    """The champion stays, no second challenger is frozen, and what is approved is gone on from without any loss."""
    place.spec = replace(place.spec, gate=Gate(approval="manual"))
    stream, registry = tmp_path / "events.jsonl", place.registry
    learn(place, stream, 0)
    (asked,) = learn(place, stream, 10).run.attention
    assert asked.startswith("version 2 passed and awaits approval: better. To answer: ")
    waiting = learn(place, stream, 20)
    assert (registry.champion("small").number, len(registry.approvals("small"))) == (1, 1)
    assert (waiting.run.attention, len(registry.versions("small"))) == ([], 2)
    with place.consumer(str(stream)) as consumer:
        assert consumer.remembered.proof_labels() == {}, "rows that prove it pile up no more"
    registry.answer_approval("small", Answer(2, approved=True, actor="Ada", reason="agreed"))
    after = learn(place, stream, 30)
    assert (after.parent, after.counts["promoted"], after.counts["champions followed"]) == (2, 1, 0)
    assert registry.promotions("small")[-1].actor == "Ada"
    assert after.learner.rows == after.counts["learned"]  # type: ignore[attr-defined]


def test_one_that_was_turned_down_makes_place_for_the_next(place: Place, tmp_path: Path) -> None:
    """Without an answer in time, likewise."""
    place.spec = replace(place.spec, gate=Gate(approval="manual"))
    stream, registry = tmp_path / "events.jsonl", place.registry
    learn(place, stream, 0)
    learn(place, stream, 10)
    registry.answer_approval("small", Answer(2, approved=False, actor="Ada", reason="not now"))
    frozen = learn(place, stream, 20).candidate
    assert frozen is not None
    assert (frozen.number, registry.champion("small").number) == (3, 1)


def test_a_receiver_hears_of_a_promotion_when_it_happens(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the end of the run, which may be an hour away."""
    told: list[int] = []

    def deliver(registry: ModelRegistry, _: Settings) -> str:
        told.append(registry.champion("small").number)
        return "nobody was there"

    monkeypatch.setattr(file, "deliver_promotions", deliver)
    learn(place, tmp_path / "events.jsonl", 0)
    assert told == []
    consumer = learn(place, tmp_path / "events.jsonl", 10)
    assert (told, consumer.counts["promoted"], consumer.run.attention) == ([2], 1, [])
