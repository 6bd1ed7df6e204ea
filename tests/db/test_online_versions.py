"""What the registry knows of versions that were learned event by event, beside those of retrains."""

from __future__ import annotations

from filled import MODEL, add_partition, add_version, promote

from db.registry import ModelRegistry
from db.verdict_records import NewEvaluation

ONLINE = {"kind": "online"}


def test_verdicts_online_are_told_from_those_of_retrains(registry: ModelRegistry) -> None:
    """However many online there were since, the newest of a retrain is found; no plan is a retrain's, too."""
    registry.add_model(MODEL)
    for kind in ({}, {"kind": "FineTune"}, ONLINE, ONLINE):
        number = add_version(registry, plan=kind, metrics={"n": float(len(registry.versions(MODEL)))}).number
        registry.record_evaluation(NewEvaluation(None, MODEL, number, None, False, f"of version {number}", ()))
    assert [one.challenger for one in registry.model_evaluations(MODEL, 1, online=False)] == [2]
    assert [one.challenger for one in registry.model_evaluations(MODEL, online=False)] == [2, 1]
    assert [one.challenger for one in registry.model_evaluations(MODEL, online=True)] == [4, 3]
    assert len(registry.model_evaluations(MODEL)) == 4


def test_what_a_line_learned_in_part_online_is_known_and_still_pending(registry: ModelRegistry) -> None:
    """Of its own and its ancestors; not what the proof of a retrain learned, nor a challenger that was refused."""
    registry.add_model(MODEL)
    for day in (1, 2, 3, 4):
        add_partition(registry, f"p{day}", day=day)
    add_version(registry, trained=["p1"])
    add_version(registry, parent=1, plan=ONLINE, partly=("p2",))
    add_version(registry, parent=2, plan={"kind": "FineTune"}, partly=("p3",))
    add_version(registry, parent=2, plan=ONLINE, partly=("p4",), metrics={"n": 4.0})
    promote(registry, 1)
    promote(registry, 2)
    assert [p.digest for p in registry.partly_learned(MODEL, 3)] == ["p2"]
    assert [p.digest for p in registry.partly_learned(MODEL, 1)] == []
    assert [p.digest for p in registry.pending(MODEL)] == ["p2", "p3", "p4"]
