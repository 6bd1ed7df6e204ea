"""`evergreen online`: where events come from, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from errors import UnknownModel, UnreachableSource
from models.flights import spec


def test_source_and_time_reach_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any, it learns what has arrived, and ends."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("cli.online.prepare", lambda _: spec)
    monkeypatch.setattr("cli.online.run_to_its_end", lambda _flow, model, **how: asked.append({"model": model, **how}))
    for words in ([], ["--from", "-", "--minutes", "2.5"]):
        done = CliRunner().invoke(app, ["online", "flights", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert asked == [
        {"model": "flights", "source": "partitions", "for_minutes": 0},
        {"model": "flights", "source": "-", "for_minutes": 2.5},
    ]


def test_a_misspelt_model_is_refused_before_anything_starts() -> None:
    """With the names that there are."""
    with pytest.raises(UnknownModel, match="flights"):
        CliRunner().invoke(app, ["online", "fligths"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("nofile.jsonl", r"nofile\.jsonl: it cannot be read \(No such file or directory\)"),
        (".", "it is no file"),
        ("", "events from nowhere: no events come from such a place"),
        ("kafka://host/topic", "events from kafka://host/topic: no events come from such a place"),
        ("redis://127.0.0.1:9", "the address names no stream"),
        ("redis://127.0.0.1:9/stream", r"events from redis://127\.0\.0\.1:9/stream: no answer"),
    ],
)
def test_what_no_events_come_from_is_refused_before_anything_starts(
    source: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line: no server is started for it, and no run is recorded."""
    monkeypatch.setattr("cli.online.prepare", lambda _: spec)
    monkeypatch.setattr("cli.online.run_to_its_end", lambda *_, **__: pytest.fail("a run was started"))
    with pytest.raises(UnreachableSource, match=why) as refused:
        CliRunner().invoke(app, ["online", "flights", "--from", source], catch_exceptions=False)
    assert "\n" not in str(refused.value)


def test_an_address_with_a_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect keeps what a run was given; the password belongs into the environment, and is not told."""
    monkeypatch.setattr("cli.online.prepare", lambda _: spec)
    words = ["online", "flights", "--from", "redis://me:s3cret@host/stream"]
    with pytest.raises(UnreachableSource, match="EVERGREEN_REDIS_PASSWORD") as refused:
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert "s3cret" not in str(refused.value)
