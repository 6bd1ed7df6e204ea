"""What a run leaves to look at: it costs the run nothing, whatever happens to it."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest
from a_year import a_year
from arriving import new_registry
from filled import MODEL
from loky import get_reusable_executor

from db.records import RunEnding
from learning.catalog import load_spec
from settings import Settings
from tasks.run import Context, Run
from tasks.seeing import TIMELINE, begin_to_show, show_on_timeline, write_page


@pytest.fixture
def run(home: Settings, tmp_path: Path) -> Run:
    """The last run of six days, which has not ended yet."""
    with new_registry(tmp_path / "registry.db") as registry:
        a_year(registry, days=6, columns=3)
        number = registry.start_run(MODEL, trigger="by hand").id
        yield Run(number, Context(load_spec(MODEL, home.model_folders), registry, None, home))  # type: ignore[arg-type,misc]


def test_the_page_shows_the_run_as_it_is_about_to_end(run: Run, home: Settings) -> None:
    """It is written before the run is closed, and says what the registry will say."""
    write_page(run, RunEnding("promoted", "retrain", "better so far: -3.1%"))
    page = home.monitor_page(MODEL).read_text()
    assert "better so far: -3.1%" in page
    assert "open" not in page


def test_a_page_that_cannot_be_written_fails_no_run(run: Run, home: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """The log says so."""
    home.reports.mkdir(parents=True)
    home.monitor_page(MODEL).parent.write_text("a file where the folder should be")
    write_page(run, RunEnding("promoted", "retrain", "better"))
    assert not home.monitor_page(MODEL).exists()


@pytest.mark.slow
def test_a_check_stands_on_the_timeline_and_one_that_cannot_fails_no_run(run: Run, home: Settings) -> None:
    """Within its model's project; one that cannot be written fails no run."""
    begin_to_show(run).result(120)
    assert len(list(home.workspace.rglob("snapshots/*.json"))) == 1
    shutil.rmtree(home.workspace)
    home.workspace.write_text("a file where the folder should be")
    show_on_timeline(run)
    with pytest.raises(OSError, match="workspace"):
        begin_to_show(run).result(120)
    get_reusable_executor(reuse=True).shutdown(wait=True)


def test_nobody_waits_for_the_timeline(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What became of it is known later, and a failure stands in the log."""
    writing = Future[None]()
    monkeypatch.setattr("loky.get_reusable_executor", lambda **_: SimpleNamespace(submit=lambda *_, **__: writing))
    show_on_timeline(run)
    assert TIMELINE not in caplog.text
    writing.set_exception(OSError("no space left"))
    assert f"{TIMELINE} could not be written: OSError: no space left" in caplog.text
