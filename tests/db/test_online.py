"""Online learning in the registry: one run at a time, positions that never go back, files that go when they are old."""

from __future__ import annotations

from dataclasses import replace

import pytest
from filled import MODEL, add_version, stored

from db import online
from db.online_records import NewCheckpoint
from db.records import RunEnding
from db.registry import ModelRegistry
from errors import AnotherConsumer


def checkpoint(run_id: int, number: int, name: str = "a") -> NewCheckpoint:
    """A checkpoint after so many events."""
    figures = {"rows": number, "loss": 0.5, "window_loss": float("nan")}
    place = (MODEL, "events.jsonl", number, run_id, 1, number, f"{number}", {"learned": number}, {"mode": "single"})
    return NewCheckpoint(*place, **figures, stored=stored("online", name))  # type: ignore[arg-type]


def test_one_run_at_a_time_learns_a_models_events(registry: ModelRegistry) -> None:
    """Whoever comes second is refused until the first has ended; whoever lost its place can add nothing."""
    add_version(registry)
    first, second = (registry.start_run(MODEL, trigger="by hand").id for _ in range(2))
    registry.claim_events(MODEL, first)
    registry.claim_events(MODEL, first)
    with pytest.raises(AnotherConsumer, match="another run learns them"):
        registry.claim_events(MODEL, second)
    registry.add_checkpoint(checkpoint(first, 1))
    registry.finish_run(first, RunEnding("learned", "online", "its time was over"))
    registry.claim_events(MODEL, second)
    with pytest.raises(AnotherConsumer):
        registry.add_checkpoint(checkpoint(first, 2))
    with pytest.raises(AnotherConsumer):  # it is there already
        registry.add_checkpoint(checkpoint(second, 1))
    found = registry.newest_checkpoint(MODEL, "events.jsonl")
    assert found is not None
    assert (found.number, found.position, found.counts, found.champion) == (1, "1", {"learned": 1}, 1)
    assert found.stored == stored("online", "a")
    assert registry.newest_checkpoint(MODEL, "other.jsonl") is None


def test_files_of_old_checkpoints_go_and_their_figures_stay(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a newer checkpoint has too is still needed."""
    monkeypatch.setattr(online, "KEPT", 2)
    add_version(registry)
    run = registry.start_run(MODEL, trigger="by hand").id
    registry.claim_events(MODEL, run)
    names = ["a", "b", "b", "c"]
    gone = [registry.add_checkpoint(checkpoint(run, number, name)) for number, name in enumerate(names, 1)]
    assert gone == [(), (), ("online/a.keras",), ()]
    assert [one.uri for one in registry.checkpoints(MODEL)] == ["online/c.keras", "online/b.keras", None, None]
    assert {"online/b.keras", "online/c.keras"} <= registry.named_files()
    assert [one.rows for one in registry.checkpoints(MODEL, limit=2)] == [4, 3]


def test_a_position_may_not_name_a_secret(registry: ModelRegistry) -> None:
    """Of a stream's address, the password is not kept; the consumer is found by the address all the same."""
    add_version(registry)
    run = registry.start_run(MODEL, trigger="by hand").id
    registry.claim_events(MODEL, run)
    name = "redis://me:s3cret@host/stream"
    registry.add_checkpoint(replace(checkpoint(run, 1), consumer=name))
    found = registry.newest_checkpoint(MODEL, name)
    assert found is not None
    assert "s3cret" not in found.consumer
