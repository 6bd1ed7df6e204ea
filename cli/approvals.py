"""The commands by which a person answers for a version that passed the gate and waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.arguments import Actor, Model, Number, Reason, deliver, open_named_registry, user
from cli.printing import Json, print_json, print_records, say

if TYPE_CHECKING:
    from db.approvals import ApprovalRecord


def approve(model: Model, number: Number, reason: Reason, actor: Actor = None, json: Json = False) -> None:
    """Put a version in production that passed the gate and awaits approval."""
    from db.approvals import Answer

    with open_named_registry() as registry:
        done = registry.answer_approval(model, Answer(number, approved=True, actor=actor or user(), reason=reason))
        deliver(registry)
    if json:
        print_json(done)
    elif done:
        say(f"{model}: version {done.number} is the champion (promotion {done.sequence})")


def reject(model: Model, number: Number, reason: Reason, actor: Actor = None) -> None:
    """Turn a version down that passed the gate and awaits approval; the champion stays."""
    from db.approvals import Answer

    with open_named_registry() as registry:
        registry.answer_approval(model, Answer(number, approved=False, actor=actor or user(), reason=reason))
    say(f"{model}: version {number} is not approved, and the champion stays")


def approvals(model: Model, json: Json = False) -> None:
    """List versions that passed the gate and wait for a person, or did, newest first."""
    with open_named_registry() as registry:
        found, at = registry.approvals(model), datetime.now(UTC)
    if json:
        print_json([vars(one) | {"state": one.state(at)} for one in found])
        return
    columns: dict[str, Callable[[ApprovalRecord], object]] = {
        ">version": lambda one: one.number,
        "state": lambda one: one.state(at),
        "asked": lambda one: one.at,
        "until": lambda one: one.until,
        "by": lambda one: one.actor,
        "reason": lambda one: one.reason,
        "verdict": lambda one: one.verdict,
    }
    print_records(found, json, columns, empty=f"no version of {model} has waited for approval")
