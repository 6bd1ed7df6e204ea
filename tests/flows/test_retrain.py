"""The retrain flow as its users see it: what arrives, what becomes of it, and what the registry says."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from postgres import Server
from service_here import ServiceHere

import tiny
from db.artifacts import ArtifactStore
from db.records import RunEnding
from db.registry import ModelRegistry, open_registry
from errors import (
    NoChampion,
    NotEnoughData,
    NothingToRollBack,
    StepFailed,
    TaintedVersion,
    TrainingDiverged,
    UnusableVersion,
)
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from flows.watch import watch
from learning.data import Selection
from learning.examples import Examples, Read
from learning.features import FrozenBase
from learning.fresh_service import FreshService, Question
from learning.spec import DriftPolicy, FineTune, Pretrain, Replay, Stage
from monitoring.drift import DriftVerdict
from settings import Settings, get_settings
from tasks.evaluate import PromotionDecision
from tasks.finetune import finetune_champion
from tasks.promote import promote
from tasks.run import Context
from tiny import TINY, Landing

HEAVY = "tensorflow", "keras", "evidently"


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    """The registry that the flows write."""
    return open_registry(home.database_url)


def test_the_world_flips_and_the_challenger_takes_over(
    landing: Landing, registry: ModelRegistry, home: Settings
) -> None:
    """Version 1 learns history; the world changes; version 2 learns it, is better, and is the champion."""
    landing.land(400)
    assert bootstrap("tiny") == "promoted"
    assert registry.champion("tiny").number == 1

    landing.land(400, flipped=True)
    assert retrain("tiny") == "promoted"

    champion = registry.champion("tiny")
    assert (champion.number, champion.parent) == (2, 1)
    assert champion.base == registry.version("tiny", 1).base
    assert champion.head != registry.version("tiny", 1).head
    assert champion.reason  # how the training went
    run = registry.runs("tiny")[0]
    assert (run.outcome, run.decision) == ("promoted", "retrain")
    assert run.reason
    assert "better so far: log_loss" in run.reason
    assert {"take arrivals", "check drift", "fine-tune the head"} <= set(run.timings)
    assert len(registry.drift_checks("tiny")) == 1
    page = home.monitor_page("tiny").read_text()
    assert "promoted" in page
    assert "Loss per time block" in page


def test_a_first_version_that_learned_nothing_is_warned_of(
    landing: Landing, registry: ModelRegistry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none to beat, so it becomes the champion; but whoever started it is told what it is worth."""
    spec = replace(TINY, pretrain=Pretrain(learning_rate=1e-9), build_head=undecided_head)
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: spec)
    landing.land(200)
    logger = logging.getLogger("prefect.task_runs")
    logger.addHandler(caplog.handler)
    try:
        assert bootstrap("tiny") == "promoted"
    finally:
        logger.removeHandler(caplog.handler)
    assert "version 1 is not shown to be better than a constant prediction" in caplog.text
    assert not registry.evaluations("tiny", 1)[-1].passed


def test_a_first_version_that_is_worse_than_a_constant_is_rejected(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would do harm; the run says what to look at, and once that is mended the next bootstrap starts the model."""
    stuck = replace(TINY, pretrain=Pretrain(learning_rate=1e-9), build_head=wrong_head)
    landing.land(400)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.run.load_spec", lambda *_: stuck)
        assert bootstrap("tiny") == "rejected"
    (run,) = registry.runs("tiny")
    assert (run.outcome, run.decision) == ("rejected", "bootstrap")
    assert "shown worse: log_loss" in str(run.reason)
    assert "evergreen registry curves tiny 1" in str(run.reason)
    assert registry.find_champion("tiny") is None
    assert bootstrap("tiny") == "promoted"
    assert registry.champion("tiny").number == 2


def test_a_layer_that_only_this_process_knows_is_found_out_before_the_promotion(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh process cannot load the version: the run fails with a sentence, and what was trained is kept."""
    monkeypatch.setattr("tasks.infra_check.FreshService", FreshService)
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: replace(TINY, build_head=head_of_ones_own))
    landing.land(400)
    with pytest.raises(UnusableVersion, match="Keras does not know its class 'OnlyHere'"):
        bootstrap("tiny")
    (run,) = registry.runs("tiny")
    assert run.outcome == "failed"
    assert "version 1 of model 'tiny': a fresh process with evergreen_client" in str(run.reason)
    assert registry.find_champion("tiny") is None
    assert not registry.evaluations("tiny", 1)[-1].passed

    monkeypatch.setattr("tasks.infra_check.FreshService", ServiceHere)
    assert bootstrap("tiny") == "promoted"


def test_a_file_that_was_damaged_since_it_was_judged_is_found_out_before_the_promotion(
    landing: Landing, registry: ModelRegistry, home: Settings
) -> None:
    """The next run stores it anew."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)

    class Damaging(ServiceHere):
        """Asked while somebody damages the head's file."""

        def ask(self, question: Question) -> None:
            """Cut it."""
            path = Path(home.artifact_root) / question.head.uri
            path.write_bytes(path.read_bytes()[:-10])
            super().ask(question)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.infra_check.FreshService", Damaging)
        with pytest.raises(UnusableVersion, match="SHA-256"):
            retrain("tiny")
    assert registry.champion("tiny").number == 1
    assert retrain("tiny") == "promoted"


def test_a_version_that_answers_otherwise_is_not_promoted(landing: Landing, registry: ModelRegistry) -> None:
    """Here the features came from a cache, of another base's making."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    real = FrozenBase.features
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenBase, "features", lambda self, inputs: real(self, inputs)[:, ::-1])
        with pytest.raises(UnusableVersion, match="answers otherwise"):
            retrain("tiny")
    assert registry.champion("tiny").number == 1


def undecided_head(features: tuple[int, ...]) -> Any:
    """One half, whatever comes in."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(1, activation="sigmoid", kernel_initializer="zeros")])


def wrong_head(features: tuple[int, ...]) -> Any:
    """Sure that everything is late."""
    from keras import Input, Sequential, initializers, layers

    sure = initializers.Constant(4.0)
    last = layers.Dense(1, activation="sigmoid", kernel_initializer="zeros", bias_initializer=sure)
    return Sequential([Input(features), last])


def head_of_ones_own(features: tuple[int, ...]) -> Any:
    """With a layer that is defined and registered in the process of the tests, and nowhere else."""
    import keras

    @keras.saving.register_keras_serializable("flows")
    class OnlyHere(keras.layers.Layer):  # type: ignore[misc]
        def call(self, rows: Any) -> Any:
            return rows * 1.0

    return keras.Sequential([keras.Input(features), OnlyHere(), keras.layers.Dense(1, activation="sigmoid")])


def test_the_same_on_postgresql(
    landing: Landing, postgres: Server, monkeypatch: pytest.MonkeyPatch, home: Settings
) -> None:
    """One environment variable moves the registry to PostgreSQL; nothing else changes."""
    url = postgres.create()
    monkeypatch.setenv("EVERGREEN_DATABASE_URL", url)
    get_settings.cache_clear()
    landing.land(400)
    assert bootstrap("tiny") == "promoted"
    landing.land(400, flipped=True)
    (landing.folder / "broken.parquet").write_bytes(b"PAR1 this is no Parquet file")
    assert retrain("tiny") == "needs attention"
    assert retrain("tiny") == "no new data"
    with open_registry(url) as registry:
        assert registry.champion("tiny").number == 2
        assert [partition.rows for partition in registry.partitions("tiny")] == [400, 400]
    postgres.drop(url)


def test_no_version_trains_on_a_holdout_row(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch, home: Settings
) -> None:
    """Walk the lineage: of every partition that a version names, the rows that reached training are no holdout."""
    learned: list[tuple[str, set[int]]] = []

    class Watched(Examples):
        """Takes down which rows it hands to training."""

        def __init__(self, chosen: Sequence[Selection], read: Read) -> None:
            learned.extend((part.partition.digest, {int(row) for row in part.rows}) for part in chosen)
            super().__init__(chosen, read)

    monkeypatch.setattr("learning.pretraining.Examples", Watched)
    monkeypatch.setattr("learning.finetuning.Examples", Watched)
    monkeypatch.setattr(
        "tasks.run.load_spec", lambda *_: replace(TINY, finetune=replace(TINY.finetune, replay=Replay(1.0)))
    )
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    retrain("tiny")

    store = ArtifactStore(home.artifact_root, home.cache)
    for version in registry.versions("tiny"):
        for partition in registry.trained_on("tiny", version.number):
            held_out = set(pl.read_parquet(store.fetch(partition.artifact))["holdout"].arg_true().to_list())
            assert held_out
            seen = set[int]().union(*(rows for digest, rows in learned if digest == partition.digest))
            assert seen
            assert not seen & held_out


def test_rows_that_arrived_late_are_kept_out_of_training_where_the_source_says_so(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with late="keep" stores old rows that come after newer ones, and no run learns from them."""
    keep = replace(TINY, source=replace(TINY.source, late="keep"))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: keep)
    landing.land(1)
    landing.files = 5
    landing.land(200)
    bootstrap("tiny")
    landing.files = 2
    landing.land(100)
    assert retrain("tiny") == "no new data"
    assert [partition.late for partition in registry.pending("tiny")] == [True]


def test_labels_that_come_later_are_learned_once(
    landing: Landing, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without labels wait; when their labels land they are learned, and compared for drift only once."""
    spec = replace(TINY, source=replace(TINY.source, labels="tiny-labels"))
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: spec)
    landing.land(400)
    labels = landing.folder.parent / "tiny-labels"
    labels.mkdir()
    bootstrap("tiny")
    rows = pl.read_parquet(landing.land(400, flipped=True))
    rows.with_columns(late=pl.lit(None, pl.Float64)).write_parquet(landing.folder / "001.parquet")
    assert retrain("tiny") == "waiting"

    rows.select("id", "late").write_parquet(labels / "001.parquet")
    assert retrain("tiny") == "promoted"
    assert retrain("tiny") == "no new data"
    assert len(registry.drift_checks("tiny")) == 2


def test_the_champion_is_scored_before_anything_trains_on_the_rows(landing: Landing, registry: ModelRegistry) -> None:
    """What arrived is scored by the version in production at the time; the watch does it, if it comes first."""
    landing.land(200)
    bootstrap("tiny")
    landing.land(200, flipped=True)
    assert watch("tiny") == "due"
    scores = {score.metric: score for score in registry.scores("tiny")}
    assert scores["log_loss"].number == 1
    assert scores["log_loss"].rows == 200
    assert scores["log_loss"].value > 0.69  # it learned the opposite

    assert retrain("tiny") == "promoted"
    assert [score for score in registry.scores("tiny") if score.metric == "log_loss"] == [scores["log_loss"]]
    assert [run.decision for run in registry.runs("tiny")] == ["retrain", "watch", "bootstrap"]


def test_partitions_that_arrive_together_are_scored_one_by_one(landing: Landing, registry: ModelRegistry) -> None:
    """The track record has a figure for each arrival: what is good and what is bad is not averaged away."""
    landing.land(200)
    bootstrap("tiny")
    usual, flipped = landing.land(100).stem, landing.land(300, flipped=True).stem
    retrain("tiny")
    stems = {p.digest: Path(p.source_uri).stem for p in registry.partitions("tiny")}
    losses = {stems[s.partition]: (s.rows, s.value) for s in registry.scores("tiny") if s.metric == "log_loss"}
    assert {stem: rows for stem, (rows, _) in losses.items()} == {usual: 100, flipped: 300}
    assert losses[usual][1] < 0.69 < losses[flipped][1]


def test_no_new_data_is_a_recorded_outcome(landing: Landing, registry: ModelRegistry) -> None:
    """With nothing new, the run ends well and says so."""
    landing.land(200)
    bootstrap("tiny")
    assert retrain("tiny") == "no new data"
    run = registry.runs("tiny")[0]
    assert run.outcome == "no new data"
    assert run.reason == "no new data since version 1 learned"


def test_a_rejected_challenger_is_not_tried_again_until_something_changes(
    landing: Landing, registry: ModelRegistry
) -> None:
    """What is no better is rejected once, and looked at again with the next arrival, or with another plan."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(200)
    still = replace(TINY, finetune=FineTune(stages=(Stage("head", learning_rate=1e-12, epochs=1),)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.run.load_spec", lambda *_: still)
        assert retrain("tiny") == "rejected"
        assert registry.champion("tiny").number == 1
        for flow in (retrain, watch, retrain):
            assert flow("tiny") == "no new data"
            assert "which ended rejected" in (registry.runs("tiny")[0].reason or "")
    assert len(registry.versions("tiny")) == 2
    landing.land(800, flipped=True, days=8)
    assert retrain("tiny") == "promoted"
    assert len(registry.trained_on("tiny", registry.champion("tiny").number)) == 3


def test_a_few_rows_wait_for_more(landing: Landing, registry: ModelRegistry) -> None:
    """Below the policy's row count nothing is trained; the rows stay pending."""
    landing.land(200)
    bootstrap("tiny")
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


def test_an_unreadable_file_is_refused_and_the_rest_goes_on(landing: Landing, registry: ModelRegistry) -> None:
    """One broken file does not keep the good ones from being learned; the run says that somebody should look at it."""
    landing.land(400)
    bootstrap("tiny")
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


def test_an_empty_landing_folder_is_no_error(landing: Landing, registry: ModelRegistry) -> None:
    """When nothing ever arrived again, the run says "no new data" and ends well."""
    path = landing.land(200)
    bootstrap("tiny")
    path.unlink()
    assert retrain("tiny") == "no new data"


def test_importing_the_flows_costs_no_tensorflow() -> None:
    """Deploying and quick runs import flows; none of the heavy libraries may come along."""
    code = f"import sys, flows.retrain, flows.bootstrap; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_new_data_does_not_even_import_tensorflow(landing: Landing, home: Settings) -> None:
    """The most frequent run of all is over before TensorFlow could start."""
    from prefect.settings import PREFECT_API_URL

    landing.land(200)
    bootstrap("tiny")
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


def test_who_promotes_first_is_judged_against(landing: Landing, registry: ModelRegistry) -> None:
    """If somebody promotes between the verdict and the promotion, the gate judges again, against the newcomer."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    original = registry.champion("tiny")

    def promote_in_between(context: Context, decision: PromotionDecision, number: int) -> RunEnding | None:
        if decision.champion == original.number and registry.sequence("tiny") == 1:
            registry.promote("tiny", original.number, seen=1, kind="rollback", actor="a person", reason="to be sure")
        return promote(context, decision, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.promote.promote", promote_in_between)
        assert retrain("tiny") == "promoted"
    assert [promotion.number for promotion in registry.promotions("tiny")] == [1, 1, 2]
    assert len(registry.evaluations("tiny", 2)) == 2


def test_a_diverged_training_is_recorded_and_changes_nothing(landing: Landing, registry: ModelRegistry) -> None:
    """A loss that explodes ends the run as failed, with the reason; the champion stays."""
    landing.land(200)
    bootstrap("tiny")
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


def test_what_a_person_rolled_back_is_not_promoted_again(landing: Landing, registry: ModelRegistry) -> None:
    """The same data and plan would make the same version; a run waits for newer data, or for another plan."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    assert retrain("tiny") == "promoted"
    registry.rollback("tiny", actor="a person", reason="complaints")
    assert retrain("tiny") == "no new data"
    assert "rolled back" in str(registry.runs("tiny")[0].reason)
    landing.land(400, flipped=True)
    assert retrain("tiny") == "promoted"
    assert registry.champion("tiny").parent == 1


def test_a_rollback_during_a_retrain_is_not_undone_by_it(landing: Landing, registry: ModelRegistry) -> None:
    """What descends from the version that was taken out of production does not take it back in."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    retrain("tiny")
    landing.land(400)

    def interrupted(*arguments: Any, **named: Any) -> Any:
        registry.rollback("tiny", actor="a person", reason="complaints")
        return finetune_champion(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.finetune.finetune_champion", interrupted)
        assert retrain("tiny") == "rejected"
    assert registry.champion("tiny").number == 1
    assert "rollback" in str(registry.runs("tiny")[0].reason)


def test_of_two_retrains_at_once_the_later_one_says_what_happened(landing: Landing, registry: ModelRegistry) -> None:
    """Both learn the same rows; who comes second is no worse, only late, and the reason says so."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    other: list[str] = []

    def overtaken(*arguments: Any, **named: Any) -> Any:
        if not other:
            other.append("began")
            other.append(retrain("tiny"))
        return finetune_champion(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.finetune.finetune_champion", overtaken)
        assert retrain("tiny") == "rejected"
    assert other == ["began", "promoted"]
    assert [run.reason for run in registry.runs("tiny") if run.outcome == "rejected"] == [
        "version 2, promoted while this one was trained, learned from the same rows"
    ]
    assert registry.champion("tiny").number == 2


def test_when_the_first_rows_are_recalled_a_bootstrap_starts_anew(landing: Landing, registry: ModelRegistry) -> None:
    """Nothing is trained from a tainted champion, and every message leads to the way out."""
    landing.land(400)
    landing.land(300)
    bootstrap("tiny")
    registry.recall("tiny", registry.partitions("tiny")[0].digest, reason="wrong clock", actor="a person")
    landing.land(400, flipped=True)
    with pytest.raises(TaintedVersion, match="evergreen bootstrap tiny"):
        retrain("tiny")
    assert [version.number for version in registry.versions("tiny")] == [1]
    with pytest.raises(NothingToRollBack, match="evergreen bootstrap tiny"):
        registry.rollback("tiny", actor="a person", reason="wrong clock")

    assert bootstrap("tiny") == "promoted"
    champion = registry.champion("tiny")
    assert (champion.number, champion.parent) == (2, None)
    assert registry.tainted("tiny") == (1,)
    assert retrain("tiny") == "no new data"


def test_a_report_that_cannot_be_published_changes_no_ending(landing: Landing, registry: ModelRegistry) -> None:
    """The registry says what happened, whatever the Prefect API does at the end."""
    landing.land(200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.report.create_markdown_artifact", lambda *_, **__: 1 / 0)
        assert bootstrap("tiny") == "promoted"
    assert registry.runs("tiny")[0].outcome == "promoted"


def test_a_check_that_drift_makes_no_sense_for_stops_no_run(landing: Landing, registry: ModelRegistry) -> None:
    """Where no column can be compared, the run goes on without a check."""
    landing.land(400)
    bootstrap("tiny")
    landing.land(400, flipped=True)
    blind = replace(TINY, drift=DriftPolicy(columns=(TINY.schema.target,)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.run.load_spec", lambda *_: blind)
        patch.setattr("tasks.check_drift.elsewhere", refused)
        assert retrain("tiny") == "promoted"
    assert registry.drift_checks("tiny") == ()


def refused(*_: Any, **__: Any) -> Future[DriftVerdict]:
    """A comparison that found nothing to compare."""
    future: Future[DriftVerdict] = Future()
    future.set_exception(NotEnoughData("windows without a column to compare", "none has values", "wait"))
    return future
