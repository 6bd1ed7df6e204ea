"""What all tests share: a home folder of their own and quiet libraries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import Settings, get_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Every test gets an empty EVERGREEN_HOME, and nothing of the developer's own."""
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()
