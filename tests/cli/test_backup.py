"""`evergreen backup` and `restore` say what they did, and end with an exit code where files are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from db.artifacts import ArtifactStore
from db.records import NewVersion
from db.registry import open_registry
from settings import Settings, get_settings


def test_a_home_moves_by_backup_and_restore(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into an empty home; what is missing is named, on stderr, and everything else comes."""
    store, file = ArtifactStore(home.artifact_root, home.cache), tmp_path / "head.keras"
    with open_registry(home.database_url) as registry:
        registry.add_model("shop")
        for digest in ("first", "second"):
            file.write_text(digest)
            head = store.put(file, kind="head", digest=digest)
            registry.register(NewVersion("shop", None, None, base=head, head=head))
    done = CliRunner().invoke(app, ["backup", str(tmp_path / "backup")])
    assert (done.exit_code, done.output) == (
        0,
        f"backed up the registry and 2 files, 2 of them new, in {tmp_path / 'backup'}\n",
    )
    (tmp_path / "backup/artifacts" / head.uri).unlink()
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "new"))
    get_settings.cache_clear()
    done = CliRunner().invoke(app, ["restore", str(tmp_path / "backup")])
    assert done.exit_code == 3
    assert "restored the registry at sqlite:///" in done.stdout
    assert "missing: head second, file head/se/second" in done.stderr
    with open_registry(get_settings().database_url) as registry:
        assert len(registry.versions("shop")) == 2
