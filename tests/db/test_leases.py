"""Leases: an open run is alive while somebody says so, and it ends once, however many look."""

from __future__ import annotations

import pytest
from filled import MODEL, add_version, promote

from db.records import INTERRUPTED, LOST, RunEnding
from db.registry import ModelRegistry
from db.runs import LEASE
from errors import RegistryError


def test_an_open_run_is_alive_for_a_lease_after_each_sign_of_life(registry: ModelRegistry) -> None:
    """The runs of all models are seen together, and one that ended is not among them."""
    registry.add_model("planes")
    first, other = registry.start_run(MODEL, trigger="by hand"), registry.start_run("planes", trigger="by hand")
    assert first.alive_until == first.started_at + LEASE
    registry.extend_lease(other.id)
    seen, extended = registry.open_runs()
    assert (seen, extended.model) == (first, "planes")
    assert extended.alive_until is not None
    assert other.alive_until is not None
    assert extended.alive_until > other.alive_until
    registry.finish_run(first.id, RunEnding("rejected", "retrain", "worse"))
    assert [run.id for run in registry.open_runs()] == [other.id]


def test_a_run_is_lost_once_and_not_if_it_showed_life_meanwhile(registry: ModelRegistry) -> None:
    """Of two who found it dead one ends it; whoever looked before its last sign of life ends nothing."""
    seen = registry.start_run(MODEL, trigger="by hand")
    registry.extend_lease(seen.id)
    assert not registry.lose_run(seen, "killed")
    (newer,) = registry.open_runs()
    assert [registry.lose_run(newer, "killed"), registry.lose_run(newer, "killed twice")] == [True, False]
    (run,) = registry.runs(MODEL)
    assert (run.outcome, run.decision, run.reason, run.finished_at is not None) == (LOST, "none", "killed", True)


def test_a_run_without_a_lease_can_be_lost(registry: ModelRegistry) -> None:
    """It was opened before there were any, so nobody will ever say that it is alive."""
    from sqlalchemy import text

    registry.start_run(MODEL, trigger="by hand")
    with registry.engine.begin() as connection:
        connection.execute(text("UPDATE run SET alive_until = NULL"))
    (seen,) = registry.open_runs()
    assert seen.alive_until is None
    assert registry.lose_run(seen, "killed")


def test_a_run_that_was_taken_for_killed_says_itself_how_it_ended(registry: ModelRegistry) -> None:
    """It knows, the others guessed; after that nothing is overwritten, and extending its lease opens nothing."""
    run = registry.start_run(MODEL, trigger="by hand")
    assert registry.lose_run(run, "killed")
    registry.extend_lease(run.id)
    registry.finish_run(run.id, RunEnding("promoted", "retrain", "better"), work_key="k")
    (ended,) = registry.runs(MODEL)
    assert (ended.outcome, ended.work_key) == ("promoted", "k")
    assert ended.alive_until == run.alive_until
    with pytest.raises(RegistryError, match="no open run"):
        registry.finish_run(run.id, RunEnding("failed", "none", "?"))


def test_what_was_cut_short_is_each_models_newest_run(registry: ModelRegistry) -> None:
    """A run that came since did its work."""
    registry.add_model("planes")
    for model in (MODEL, "planes"):
        run = registry.start_run(model, trigger="by hand", flow_run_id=f"of {model}")
        registry.finish_run(run.id, RunEnding(INTERRUPTED, "none", "told to stop"))
    assert [run.model for run in registry.cut_short((INTERRUPTED, LOST))] == [MODEL, "planes"]
    (newest,) = registry.runs_of_flow("of planes")
    assert (newest.model, registry.runs_of_flow("of nothing")) == ("planes", ())
    registry.start_run(MODEL, trigger="by hand")
    assert [run.model for run in registry.cut_short((INTERRUPTED, LOST))] == ["planes"]


def test_a_run_that_came_to_nothing_does_not_end_as_one_to_look_at() -> None:
    """That it was cut short says more than what else it saw."""
    for outcome in (LOST, INTERRUPTED):
        ending = RunEnding(outcome, "none", "killed")
        assert ending.with_attention(["a.csv is empty"]) == ending


def test_what_a_run_promoted_is_known_and_a_person_s_promotion_is_not_its_own(registry: ModelRegistry) -> None:
    """A gate's verdict names its run; an adopted model has none, and is the first that its run made."""
    adopted, trained = (registry.start_run(MODEL, trigger="by hand").id for _ in range(2))
    add_version(registry, run_id=adopted)
    promote(registry, 1)
    add_version(registry, parent=1, run_id=trained)
    promote(registry, 2, "a person wished so")
    assert (registry.promoted_by(adopted), registry.promoted_by(trained)) == (1, None)
