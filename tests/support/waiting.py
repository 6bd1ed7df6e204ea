"""A version that passed the gate and waits for a person, whose files nobody reads."""

from __future__ import annotations

from filled import stored

from db.approvals import NewApproval
from db.records import NewVersion
from db.registry import ModelRegistry
from db.verdict_records import NewEvaluation


def let_one_wait(registry: ModelRegistry, model: str) -> int:
    """Give a new model a champion, and a version 2 that `Gate(approval="manual")` lets wait; its number."""
    registry.add_model(model)
    for parent in (None, 1):
        head = stored("head", f"{model}-{parent}")
        registry.register(NewVersion(model, None, parent, base=stored("base", model), head=head))
    seen = registry.promote(model, 1, seen=0, kind="bootstrap", actor="test", reason="the first").sequence
    verdict = registry.record_evaluation(NewEvaluation(None, model, 2, 1, True, "better so far", ()))
    registry.ask_for_approval(model, NewApproval(2, verdict, seen))
    return 2
