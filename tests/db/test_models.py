"""Models as a whole: a list of them, another name, and an end that leaves everything in place."""

from __future__ import annotations

import pytest
from filled import MODEL, add_partition, add_version, three_champions

from db.records import RunEnding
from db.registry import ModelRegistry
from errors import InvalidName, UnknownModel

WHO = {"reason": "why", "actor": "me"}


def test_each_model_is_a_line(registry: ModelRegistry) -> None:
    """Champion, since when, rows that count, and what the newest run came to; nothing of one that has just begun."""
    registry.add_model("begun")
    kept = add_partition(registry, "p1")
    add_partition(registry, "p2", day=2)
    registry.recall(MODEL, "p2", **WHO)
    add_version(registry, trained=["p1"])
    promoted = registry.promote(MODEL, 1, seen=0, kind="bootstrap", **WHO)
    run = registry.start_run(MODEL, trigger="by hand")
    registry.finish_run(run.id, RunEnding("rejected", "retrain", "no better").with_attention(["look"]))
    registry.start_run(MODEL, trigger="by hand")  # it is open
    begun, flights = registry.models()
    assert (begun.name, begun.champion, begun.rows, begun.outcome, begun.retired) == ("begun", None, 0, None, False)
    assert (flights.name, flights.champion, flights.since) == (MODEL, 1, promoted.at)
    assert (flights.rows, flights.outcome) == (kept.rows, "rejected")


def test_a_new_name_takes_all_history_along(registry: ModelRegistry) -> None:
    """Versions, promotions and runs are those of the new name; the old one is free, and its story is known."""
    three_champions(registry)
    before = registry.promotions(MODEL)
    registry.rename(MODEL, "planes", **WHO)
    assert [(p.sequence, p.number, p.at) for p in registry.promotions("planes")] == [
        (p.sequence, p.number, p.at) for p in before
    ]
    (event,) = registry.model_events("planes")
    assert (event.kind, event.was, event.reason, event.actor) == ("renamed", MODEL, "why", "me")
    with pytest.raises(UnknownModel):
        registry.champion(MODEL)
    registry.add_model(MODEL)
    assert registry.versions(MODEL) == ()


def test_a_name_that_is_taken_or_no_name_changes_nothing(registry: ModelRegistry) -> None:
    """Two models are never made one."""
    registry.add_model("planes")
    for name in ("planes", "No Name"):
        with pytest.raises(InvalidName):
            registry.rename(MODEL, name, **WHO)
    assert [model.name for model in registry.models()] == [MODEL, "planes"]
    assert registry.model_events(MODEL) == ()


def test_what_is_retired_can_be_taken_up_again(registry: ModelRegistry) -> None:
    """Each is a fact of its own; doing it twice adds none."""
    registry.resume(MODEL, **WHO)
    for _ in range(2):
        registry.retire(MODEL, **WHO)
    assert registry.retired(MODEL) is not None
    registry.rename(MODEL, "planes", **WHO)
    assert registry.retired("planes") is not None
    registry.resume("planes", **WHO)
    assert registry.retired("planes") is None
    assert [event.kind for event in registry.model_events("planes")] == ["retired", "renamed", "resumed"]
