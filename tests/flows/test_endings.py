"""How a run ends that is no promotion: what it says, what state it has in Prefect, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from db.registry import ModelRegistry
from errors import (
    NoChampion,
    StepFailed,
    TrainingDiverged,
)
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.spec import FineTune, Stage
from settings import Settings
from tiny import TINY, Landing

Begin = Callable[..., None]

HEAVY = "tensorflow", "keras", "evidently"


def test_no_new_data_is_a_recorded_outcome(registry: ModelRegistry, begin: Begin) -> None:
    """With nothing new, the run ends well and says so."""
    begin(200)
    assert retrain("tiny") == "no new data"
    run = registry.runs("tiny")[0]
    assert run.outcome == "no new data"
    assert run.reason == "no new data since version 1 learned"


def test_a_few_rows_wait_for_more(landing: Landing, registry: ModelRegistry, begin: Begin) -> None:
    """Below the policy's row count nothing is trained; the rows stay pending."""
    begin(200)
    landing.land(5)
    assert retrain("tiny") == "waiting"
    assert [partition.rows for partition in registry.pending("tiny")] == [5]
    assert len(registry.versions("tiny")) == 1


def test_without_a_champion_the_error_names_bootstrap(landing: Landing, registry: ModelRegistry) -> None:
    """Retraining before bootstrapping is refused with the command that helps, and the run is recorded as failed."""
    landing.land(50)
    with pytest.raises(NoChampion, match="evergreen bootstrap tiny"):
        retrain("tiny")
    assert registry.runs("tiny")[0].outcome == "failed"


@pytest.mark.slow
def test_an_unreadable_file_is_refused_and_the_rest_goes_on(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """One broken file does not keep the good ones from being learned; the run says that somebody should look at it."""
    begin(400)
    break_file(landing, "broken.parquet")
    landing.land(400, flipped=True)
    assert retrain("tiny") == "needs attention"
    run = registry.runs("tiny")[0]
    assert (run.outcome, run.decision) == ("needs attention", "retrain")
    assert str(run.reason).startswith("promoted: better so far: ")
    assert "Needs attention (1): " in str(run.reason)
    assert registry.champion("tiny").number == 2
    assert retrain("tiny") == "no new data"  # what was refused has been said, and the work is done

    registry.rollback("tiny", actor="a person", reason="complaints")
    assert retrain("tiny") == "no new data"
    assert "rolled back" in str(registry.runs("tiny")[0].reason)


def break_file(landing: Landing, name: str) -> None:
    """Let a file arrive that cannot be read."""
    (landing.folder / name).write_bytes(b"PAR1 this is no Parquet file")


@pytest.mark.slow
def test_a_run_that_needs_attention_has_a_state_of_its_own(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing new to learn, and yet Prefect's UI shows at once which run to open, and says there what to look at."""
    published: dict[str, tuple[str, str]] = {}

    def publish(text: str, key: str, description: str) -> None:
        published[key] = text, description

    landing.land(200)
    break_file(landing, "first.parquet")
    assert bootstrap("tiny") == "needs attention"
    assert registry.champion("tiny").number == 1

    break_file(landing, "<b>a|b*c*.parquet")
    monkeypatch.setattr("tasks.report.create_markdown_artifact", publish)
    state = retrain("tiny", return_state=True)
    assert (state.is_completed(), state.name) == (True, "NeedsAttention")
    assert state.result() == "needs attention"
    assert str(state.message).startswith("no new data since version 1 learned. Needs attention (1): ")
    text, _ = published["attention-tiny"]
    assert "no whole Parquet file" in text
    assert [raw for raw in ("<b>", "a|b", "*c*", "first") if raw in text] == []


def test_a_failed_run_stays_failed_whatever_else_it_saw(landing: Landing, registry: ModelRegistry) -> None:
    """What needs attention is in its log; that it failed is the more important thing."""
    break_file(landing, "broken.parquet")
    with pytest.raises(NoChampion):
        retrain("tiny")
    run = registry.runs("tiny")[0]
    assert (run.outcome, run.decision) == ("failed", "none")


@pytest.mark.slow
def test_an_expected_error_is_one_line_in_the_log_and_another_keeps_its_traceback(
    landing: Landing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the flow, from Python or as a deployment, reads what is wrong and not Prefect's own calls."""
    with pytest.raises(NoChampion):
        retrain("tiny")
    assert "nothing was promoted yet" in caplog.text
    assert 'File "' not in caplog.text

    monkeypatch.setattr("tasks.find_pending.pending_work", lambda _: 1 // 0)
    with pytest.raises(StepFailed, match="find pending data"):
        retrain("tiny")
    assert 'File "' in caplog.text


def test_an_empty_landing_folder_is_no_error(landing: Landing, begin: Begin) -> None:
    """When nothing ever arrived again, the run says "no new data" and ends well."""
    begin(200)
    for path in landing.folder.iterdir():
        path.unlink()
    assert retrain("tiny") == "no new data"


@pytest.mark.slow
def test_no_new_data_does_not_even_import_tensorflow(home: Settings, begin: Begin) -> None:
    """The most frequent run of all is over before TensorFlow could start."""
    from prefect.settings import PREFECT_API_URL

    begin(200)
    code = (
        "import sys, tasks.run, tiny; tasks.run.load_spec = lambda *_: tiny.TINY\n"
        "from flows.retrain import retrain\n"
        f"print(retrain('tiny'), [m for m in {HEAVY} if m in sys.modules])"
    )
    environment = os.environ | {
        "PYTHONPATH": str(Path(tiny.__file__).parent),
        "PREFECT_API_URL": PREFECT_API_URL.value(),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "no new data []"


@pytest.mark.slow
def test_a_diverged_training_is_recorded_and_changes_nothing(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """A loss that explodes ends the run as failed, with the reason; the champion stays."""
    begin(200)
    landing.land(200, flipped=True)
    wild = replace(TINY, finetune=FineTune(stages=(Stage("head", learning_rate=1e30, epochs=3),)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.run.load_spec", lambda *_: wild)
        with pytest.raises(TrainingDiverged):
            retrain("tiny")
    run = registry.runs("tiny")[0]
    assert run.outcome == "failed"
    assert run.reason
    assert registry.champion("tiny").number == 1
    assert retrain("tiny") == "promoted"  # once the plan is mended


@pytest.mark.slow
def test_a_report_that_cannot_be_published_changes_no_ending(
    landing: Landing, registry: ModelRegistry, begin: Begin
) -> None:
    """The registry says what happened, whatever the Prefect API does at the end."""
    begin(200)
    break_file(landing, "broken.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.report.create_markdown_artifact", lambda *_, **__: 1 / 0)
        assert retrain("tiny") == "needs attention"
    assert registry.runs("tiny")[0].outcome == "needs attention"
