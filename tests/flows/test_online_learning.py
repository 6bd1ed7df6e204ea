"""The flow that learns online: whole, with Keras, from what arrives to a promotion by the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db.registry import ModelRegistry
from tiny import TINY, Landing

pytestmark = pytest.mark.slow


def events(first: int, count: int, *, flipped: bool = True) -> list[str]:
    """Events of the tiny model, a minute each: fast is late, or the other way round once the world has flipped."""
    draw = np.random.default_rng(first)
    lines = []
    for number in range(first, first + count):
        speed = float(draw.normal())
        at = f"2026-03-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z"
        row = {"at": at, "id": f"event {number}", "speed": speed, "city": "A", "late": int((speed > 0) != flipped)}
        lines.append(json.dumps(row))
    return lines


def test_what_was_learned_online_is_promoted_by_the_gate(
    begin: object, landing: Landing, registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The world flipped: a checkpoint challenges the champion, and events that came after it prove it."""
    from flows.online_learning import online
    from tasks.online_learner import Pace

    monkeypatch.setattr("tasks.run.load_spec", lambda *_: replace(TINY, retrain=replace(TINY.retrain, min_rows=60)))
    monkeypatch.setattr("tasks.consume.Pace", lambda: Pace(stretch=20, between=0.0))
    begin(40)  # type: ignore[operator]
    stream = tmp_path / "events.jsonl"
    stream.write_text("\n".join(events(0, 130)) + "\n")
    assert online("tiny", str(stream), for_minutes=0) == "promoted"
    champion = registry.champion("tiny")
    assert (champion.number, champion.parent, champion.plan["kind"]) == (2, 1, "online")
    promotion = registry.promotions("tiny")[1]
    assert (promotion.kind, promotion.actor) == ("promote", "gate")
    assert promotion.reason.startswith("better so far: log_loss")
    (run,) = registry.runs("tiny", limit=1)
    assert (run.outcome, run.decision) == ("promoted", "online")
    assert str(run.reason).startswith("promoted version 2; 130 events so far: ")
    newest = registry.newest_checkpoint("tiny", str(stream))
    assert newest is not None
    assert (newest.events, newest.champion) == (130, champion.number)
    assert newest.window_loss < 0.7
    (promise,) = registry.promises("tiny")  # version 1 knows the world before it flipped
    assert (promise.number, promise.predecessor, promise.blocks) == (2, 1, 1)
    assert promise.rows >= 10
    assert promise.came is not None
    assert promise.came < -0.3
