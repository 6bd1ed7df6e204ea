"""What the registry keeps of what others said: no secret, no control character, no wall of words."""

from __future__ import annotations

from dataclasses import replace

from filled import MODEL

from db.arrival_records import NewArrival, NewLandedFile
from db.records import RunEnding
from db.registry import ModelRegistry


def test_no_secret_and_no_control_character_is_recorded(registry: ModelRegistry) -> None:
    """Whoever writes a reason, an actor or a place need not think of it; a local path stays as it is."""
    secret, told = "ftp://me:s/ecret@host/x.csv", "ftp://me:***@host/x.csv"
    run = registry.start_run(MODEL, trigger=f"by {secret}\x1b[31m")
    registry.finish_run(run.id, RunEnding("failed", "none", f"{secret} is odd {'x' * 100_000}"))
    landed = NewLandedFile(secret, "a", "rules", "ingest", reason=f"{secret}\nis odd")
    registry.record_arrival(NewArrival(MODEL, 0, landed))
    registry.record_arrival(NewArrival(MODEL, 0, replace(landed, uri="/landing/a:b@c.csv", stamp="b", reason=None)))
    (first, second) = registry.landed_files(MODEL)
    found = registry.runs(MODEL)[0]
    assert (first.uri, first.reason, second.uri) == (told, f"{told} is odd", "/landing/a:b@c.csv")
    assert found.trigger == rf"by {told}\x1b[31m"
    assert (found.reason or "").startswith(f"{told} is odd")
    assert len(found.reason or "") == 2_000
    assert registry.landed_files(MODEL, uri=secret) == (first,)  # a source is found again by what it is called
