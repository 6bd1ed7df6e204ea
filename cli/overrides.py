"""The commands by which a person overrides the gate: promote a version, roll back to one, recall a partition."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.arguments import Actor, Digest, Model, Number, Reason, deliver, open_named_registry, user
from cli.printing import Json, print_json, say


def promote(model: Model, number: Number, reason: Reason, actor: Actor = None, json: Json = False) -> None:
    """Make a version the champion, without asking the gate."""
    with open_named_registry() as registry:
        seen = registry.sequence(model)
        done = registry.promote(
            model,
            number,
            seen=seen,
            kind="promote" if seen else "bootstrap",
            actor=actor or user(),
            reason=reason,
        )
        refit = registry.refit(model, number)
        deliver(registry)
    if json:
        print_json(done)
    else:
        say(f"{model}: version {done.number} is the champion (promotion {done.sequence})")
    if refit:
        say(
            f"version {number} is a proof: it has not learned from the newest rows that were pending then; version "
            f"{refit}, its refit, has. If that is the one you mean: evergreen registry promote {model} {refit} "
            "--reason …",
            err=True,
        )


def rollback(
    model: Model,
    reason: Reason,
    to: Annotated[
        int | None, typer.Option(help="Version to return to; by default the newest clean one before the champion.")
    ] = None,
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Put an earlier version back in production."""
    with open_named_registry() as registry:
        done = registry.rollback(model, to=to, actor=actor or user(), reason=reason)
        deliver(registry)
    if json:
        print_json(done)
    else:
        say(f"{model}: back to version {done.number} (promotion {done.sequence})")


def recall(
    model: Model,
    digest: Digest,
    reason: Reason,
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Recall a partition: nothing learns from it again, and versions that did are tainted."""
    with open_named_registry() as registry:
        found = registry.recall(model, digest, reason=reason, actor=actor or user())
        champion = registry.find_champion(model)
    if json:
        print_json(found)
        return
    say(f"{model}: recalled {found.partition.rows:,} rows of {found.partition.source_uri}")
    if found.tainted:
        say(f"tainted versions: {', '.join(map(str, found.tainted))}")
    if champion and champion.number in found.tainted:
        say(f"the champion is one of them; go back with: evergreen registry rollback {model} --reason …")
