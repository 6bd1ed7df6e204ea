"""How a run of online learning ends, and when its challenger cannot be judged yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from arriving import SCHEMA, SPEC, new_registry
from streaming import Place, event, write

from db.artifacts import ArtifactStore
from db.verdict_records import NewEvaluation
from settings import Settings
from tasks.challenge import freeze, is_proof_enough
from tasks.consume import ending_of, follow_champion, save
from tasks.find_pending import unstarted
from tasks.run import Context, Run

WEIGHED = replace(SCHEMA, weight="worth")


@pytest.fixture
def stream(home: Settings, tmp_path: Path) -> Path:
    """A file of 20 events, of which the last 10 are worth nothing."""
    home.home.mkdir(parents=True)
    path = tmp_path / "events.jsonl"
    write(path, [event(n, worth=float(n < 10)) for n in range(20)])
    return path


def test_a_model_that_is_retired_ends_its_run_at_the_next_event(stream: Path) -> None:
    """What was learned by then is saved, and nothing is promoted any more."""
    place = Place()
    with place.consumer(str(stream), stretch=5, seconds=0.0) as consumer:
        for events in consumer.portions(60):
            consumer.test_then_train(events)
            place.registry.retire("small", reason="nobody flies", actor="me")
            follow_champion(consumer)
            assert not save(consumer)
        ending = ending_of(consumer)
    assert ending.outcome == "retired"
    assert (
        "by me: nobody flies; `evergreen models resume small --reason ...` takes it up again; 5 events" in ending.reason
    )
    newest = place.registry.newest_checkpoint("small", str(stream))
    assert newest is not None
    assert newest.events == 5


def test_a_run_that_promoted_says_so_and_which_versions(stream: Path) -> None:
    """One that somebody else promoted meanwhile is not its own."""
    place = Place()
    with place.consumer(str(stream)) as consumer:
        assert ending_of(consumer).outcome == "learned"
        place.promote(place.version())
        for number in (place.version(), place.version()):
            judged = NewEvaluation(consumer.run.id, "small", number, 2, True, "better", ())
            seen, evaluation = place.registry.sequence("small"), place.registry.record_evaluation(judged)
            why = {"kind": "promote", "actor": "gate", "reason": "better", "evaluation_id": evaluation}
            place.registry.promote("small", number, seen=seen, **why)  # type: ignore[arg-type]
        ending = ending_of(consumer)
    assert ending.outcome == "promoted"
    assert ending.reason.startswith("promoted version 3 and 4; 0 events so far: ")


def test_a_challenger_waits_while_all_that_came_after_it_weighs_nothing(stream: Path) -> None:
    """However many rows these are: they cannot prove it, and the run goes on."""
    gate = replace(SPEC.gate, min_rows=5, min_events=0)
    place = Place(replace(SPEC, schema=WEIGHED, gate=gate))
    with place.consumer(str(stream), stretch=10) as consumer:
        portions = consumer.portions(0)
        consumer.test_then_train(next(portions))
        freeze.fn(consumer.run, consumer)
        consumer.candidate = replace(consumer.candidate, learned=0)  # type: ignore[type-var]
        consumer.test_then_train(next(portions))
        assert sum(consumer.remembered.proof_labels().values()) == 10
        assert not is_proof_enough(consumer, consumer.candidate)
        write(stream, [event(20, worth=0.5)])
        consumer.test_then_train(next(portions))
        assert is_proof_enough(consumer, consumer.candidate)


def test_a_model_without_a_champion_is_told_to_bootstrap(home: Settings) -> None:
    """Whether a run would watch or learn."""
    home.home.mkdir(parents=True)
    with new_registry(home.home / "registry.db") as registry:
        registry.add_model("small")
        run = Run(1, Context(SPEC, registry, ArtifactStore(home.artifact_root, home.cache), home))
        assert unstarted(run).startswith("no champion yet: ")
        assert "evergreen bootstrap small" in unstarted(run)
