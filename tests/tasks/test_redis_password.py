"""The password of the Redis that events come from reaches Redis, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from arriving import SPEC, new_registry

from db.artifacts import ArtifactStore
from settings import Settings
from tasks.online_sources import open_source
from tasks.run import Context


def test_a_password_of_the_env_file_is_in_no_log(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings are printed now and then, as in a traceback; one of .env is not known to the environment."""
    got: list[str] = []
    monkeypatch.setattr("arrivals.redis_stream.RedisStream", lambda *given: got.append(given[2]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVERGREEN_REDIS_PASSWORD")
    Path(".env").write_text("EVERGREEN_REDIS_PASSWORD=s3cret-of-redis\n")
    settings = Settings()
    home.home.mkdir(parents=True)
    with new_registry(home.home / "registry.db") as registry:
        store = ArtifactStore(home.artifact_root, home.cache)
        open_source("redis://host/stream", Context(SPEC, registry, store, settings))
    assert got == ["s3cret-of-redis"]
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump_json()}"
