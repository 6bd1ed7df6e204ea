"""Settings: one folder by default, everything movable, nothing misspelled."""

from pathlib import Path

import pytest

from settings import Settings, get_settings


def test_everything_lives_in_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EVERGREEN_HOME moves registry, artifacts and landing folder at once."""
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path))
    settings = Settings()
    assert settings.database_url == f"sqlite:///{tmp_path}/registry.db"
    assert settings.artifact_root == str(tmp_path / "artifacts")
    assert settings.landing == str(tmp_path / "landing")


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that changes its directory still finds the registry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERGREEN_HOME", "here")
    assert Settings().home == tmp_path / "here"


def test_the_registry_can_live_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database URL of one's own is taken as it is."""
    monkeypatch.setenv("EVERGREEN_DATABASE_URL", "postgresql+psycopg://somewhere/evergreen")
    assert Settings().database_url == "postgresql+psycopg://somewhere/evergreen"


def test_reading_settings_keeps_the_libraries_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No telemetry unless the user asks for it: what is set already stays."""
    import os

    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    get_settings.cache_clear()
    get_settings()
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "127.0.0.1,localhost"),
        ("intranet.example", "intranet.example,127.0.0.1,localhost"),
        ("localhost,127.0.0.1", "localhost,127.0.0.1"),
        ("*", "*"),
    ],
)
def test_no_request_to_this_machine_goes_through_a_proxy(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would leave the machine, and no Prefect server would ever answer; what is set already stays."""
    import os
    from urllib.request import proxy_bypass

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, before)
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    get_settings.cache_clear()
    get_settings()
    assert (os.environ["no_proxy"], os.environ["NO_PROXY"]) == (after, after)
    assert all(proxy_bypass(host) for host in ("127.0.0.1:4200", "localhost:4200"))
    assert bool(proxy_bypass("elsewhere.example")) == (before == "*")
