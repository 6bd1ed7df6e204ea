"""ModelRegistry: versions, promotions and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from filled import MODEL, add_partition, add_version, model_names, promote, stored, three_champions

from db import promotions, statements
from db.records import EpochMetric, RunEnding
from db.registry import ModelRegistry
from errors import (
    InvalidName,
    NoChampion,
    NothingToRollBack,
    PromotionConflict,
    RegistryError,
    TaintedVersion,
    UnknownModel,
    UnknownPartition,
    UnknownVersion,
)
from evergreen_client.artifacts import StoredArtifact

Query = Callable[[str], list[tuple[object, ...]]]


def digests(partitions: tuple[object, ...]) -> list[str]:
    """The digests of some partitions."""
    return [partition.digest for partition in partitions]  # type: ignore[attr-defined]


def test_a_version_reads_back_as_it_was_registered(registry: ModelRegistry) -> None:
    """Files, plan, environment, figures and learning curves survive; what JSON has no word for becomes null."""
    add_partition(registry, "p1")
    run = registry.start_run(MODEL, trigger="by hand")
    written = add_version(
        registry,
        run_id=run.id,
        trained=["p1"],
        plan={"stages": ({"rate": 1e-3},), "loss": math.nan, "path": "größe\0"},
        environment={"keras": "3.15"},
        metrics={"log_loss": 0.5, "auc": math.nan},
        epochs=(EpochMetric("head", 1, "loss", 0.6), EpochMetric("head", 2, "loss", math.inf)),
    )

    read = registry.version(MODEL, 1)

    assert repr(read) == repr(written)
    assert (read.number, read.parent, read.run_id) == (1, None, run.id)
    assert read.base == stored("base", "shared")
    assert read.plan == {"stages": [{"rate": 1e-3}], "loss": None, "path": "größe\ufffd"}
    assert read.metrics["log_loss"] == 0.5
    assert math.isnan(read.metrics["auc"])
    assert [point.value for point in registry.learning_curves(MODEL, 1)] == [0.6, math.inf]


def test_numbers_count_up_from_one_for_each_model(registry: ModelRegistry) -> None:
    """Another model's versions do not take numbers away."""
    registry.add_model("digits")
    assert [add_version(registry).number for _ in range(3)] == [1, 2, 3]
    assert add_version(registry, model="digits").number == 1


def test_a_failed_registration_leaves_nothing(registry: ModelRegistry, query: Query) -> None:
    """A version that learned from an unknown partition is refused whole, and takes no number."""
    with pytest.raises(UnknownPartition, match="nowhere"):
        add_version(registry, trained=["nowhere"])
    with pytest.raises(UnknownVersion):
        add_version(registry, parent=7)
    assert query("SELECT count(*) FROM version") == [(0,)]
    assert query("SELECT count(*) FROM artifact") == [(0,)]
    assert add_version(registry).number == 1


def test_one_file_serves_many_versions(registry: ModelRegistry, query: Query) -> None:
    """A base that was stored twice, with other bytes but the same weights, keeps its first file."""
    add_version(registry, metrics={"a": 1.0})
    again = StoredArtifact("base-shared", "base", "base/other.keras", "1" * 64, 13)
    second = add_version(registry, base=again)
    assert second.base == stored("base", "shared")
    assert query("SELECT count(*) FROM artifact WHERE kind = 'base'") == [(1,)]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "/etc/passwd",
        "x" * 300,
        "x'; DROP TABLE model; --",
        "Flights",
        "1st",
        "a b",
        "ü",
        "a\0",
        "a\n",
        "-a",
    ],
)
def test_names_that_are_no_names_are_refused(registry: ModelRegistry, name: str) -> None:
    """A name may be a file name, a column value and a module; the error states the rule."""
    with pytest.raises(InvalidName, match="1 to 63 lower-case letters, digits, _ and -"):
        registry.add_model(name)
    assert model_names(registry) == [MODEL]


def test_a_model_can_be_added_twice(registry: ModelRegistry) -> None:
    """Every run adds its model, so knowing it already is fine."""
    registry.add_model(MODEL)
    registry.add_model("x" * 63)
    assert model_names(registry) == [MODEL, "x" * 63]


def test_an_unknown_model_names_the_nearest(registry: ModelRegistry) -> None:
    """A typing error is answered with what was probably meant."""
    with pytest.raises(UnknownModel, match="did you mean 'flights'"):
        registry.versions("flihgts")


def test_an_unknown_version_says_which_there_are(registry: ModelRegistry) -> None:
    """The error names the range and the command that lists them."""
    add_version(registry)
    with pytest.raises(UnknownVersion, match=r"from 1 to 1.*evergreen registry versions flights"):
        registry.version(MODEL, 2)


def test_without_a_promotion_there_is_no_champion(registry: ModelRegistry) -> None:
    """The champion is never guessed from the versions; the error names the command that makes one."""
    add_version(registry)
    assert registry.find_champion(MODEL) is None
    assert registry.sequence(MODEL) == 0
    with pytest.raises(NoChampion, match="evergreen bootstrap flights"):
        registry.champion(MODEL)


def test_the_champion_is_the_newest_promotion(registry: ModelRegistry) -> None:
    """Not the newest version, and not the best one."""
    add_version(registry)
    add_version(registry)
    promote(registry, 2)
    promote(registry, 1)
    assert registry.champion(MODEL).number == 1
    assert [p.number for p in registry.promotions(MODEL)] == [2, 1]
    assert [p.sequence for p in registry.promotions(MODEL)] == [1, 2]


def test_a_promotion_decided_on_old_news_is_refused(registry: ModelRegistry) -> None:
    """Whoever looked before someone else promoted must look again; nothing is written."""
    three_champions(registry)
    for seen in (0, 2, 4):
        with pytest.raises(PromotionConflict, match="3 promotions were made"):
            registry.promote(MODEL, 1, seen=seen, kind="promote", actor="late", reason="it was better")
    assert len(registry.promotions(MODEL)) == 3


def test_the_champion_at_an_instant(registry: ModelRegistry) -> None:
    """History answers who was in production then; before the first promotion nobody was."""
    three_champions(registry)
    first, second, third = registry.promotions(MODEL)
    moment = timedelta(microseconds=1)
    assert registry.find_champion(MODEL, first.at - moment) is None
    for promotion, number in ((first, 1), (second, 2), (third, 3)):
        champion = registry.find_champion(MODEL, promotion.at)
        assert champion is not None
        assert champion.number == number


def test_a_clock_that_goes_back_reorders_nothing(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The champion follows the sequence, not the time."""
    add_version(registry)
    add_version(registry)
    promote(registry, 1)
    monkeypatch.setattr(promotions, "now", lambda: datetime(1999, 1, 1, tzinfo=UTC))
    promote(registry, 2)
    assert registry.champion(MODEL).number == 2
    champion = registry.find_champion(MODEL, datetime.now(UTC))
    assert champion is not None
    assert champion.number == 2


def test_a_naive_time_is_refused(registry: ModelRegistry) -> None:
    """Without a zone nobody knows which instant is meant."""
    with pytest.raises(Exception, match="has no time zone"):
        registry.find_champion(MODEL, datetime(2013, 1, 1))  # noqa: DTZ001 - what is refused


def test_rollbacks_go_back_step_by_step(registry: ModelRegistry) -> None:
    """The second rollback goes further back instead of forward again, and the history only grows."""
    three_champions(registry)
    for expected in (2, 1):
        assert registry.rollback(MODEL, actor="me", reason="it is slow").number == expected
        assert registry.champion(MODEL).number == expected
    with pytest.raises(NothingToRollBack, match="rollback flights --to N"):
        registry.rollback(MODEL, actor="me", reason="it is slow")
    assert [(p.number, p.kind) for p in registry.promotions(MODEL)][3:] == [(2, "rollback"), (1, "rollback")]


def test_rollback_to_a_named_version(registry: ModelRegistry) -> None:
    """Any clean version can be named; one that does not exist is an error and changes nothing."""
    three_champions(registry)
    add_version(registry)
    with pytest.raises(UnknownVersion):
        registry.rollback(MODEL, to=9, actor="me", reason="?")
    assert registry.rollback(MODEL, to=4, actor="me", reason="the good one").number == 4
    assert registry.rollback(MODEL, actor="me", reason="no").number == 2


def test_rollback_without_a_champion(registry: ModelRegistry) -> None:
    """There is nothing to go back from."""
    with pytest.raises(NoChampion):
        registry.rollback(MODEL, actor="me", reason="?")


def test_pending_is_what_the_champions_line_has_not_learned(registry: ModelRegistry) -> None:
    """It follows the ancestors, is in order of event time, and needs no mark on any partition."""
    for name, day in (("p3", 3), ("p1", 1), ("p2", 2)):
        add_partition(registry, name, day)
    assert digests(registry.pending(MODEL)) == ["p1", "p2", "p3"]
    add_version(registry, trained=["p1"])
    promote(registry, 1)
    add_version(registry, parent=1, trained=["p3"], replayed=("p1",))
    assert digests(registry.pending(MODEL)) == ["p2", "p3"]
    assert digests(registry.pending(MODEL, 2)) == ["p2"]
    assert digests(registry.trained_on(MODEL, 2)) == ["p1", "p3"]
    promote(registry, 2)
    assert digests(registry.pending(MODEL)) == ["p2"]


def test_after_a_rollback_the_data_is_pending_again(registry: ModelRegistry) -> None:
    """What the champion has not learned is derived, so nothing has to be undone."""
    three_champions(registry)
    registry.rollback(MODEL, to=1, actor="me", reason="?")
    assert digests(registry.pending(MODEL)) == ["p2", "p3"]


def test_replayed_rows_are_not_learned_rows(registry: ModelRegistry) -> None:
    """Replaying a partition does not make it known."""
    add_partition(registry, "p1")
    add_version(registry, replayed=("p1",))
    promote(registry, 1)
    assert digests(registry.pending(MODEL)) == ["p1"]


def test_partly_learned_rows_are_pending_for_whoever_promotes_the_proof(registry: ModelRegistry) -> None:
    """A proof knows only the older rows of what is pending; its refit knows them all, and says whose refit it is."""
    for day in (1, 2):
        add_partition(registry, f"p{day}", day)
    add_version(registry, trained=["p1"])
    promote(registry, 1)
    proof = add_version(registry, parent=1, partly=("p2",))
    refit = add_version(registry, parent=1, trained=["p2"], refit_of=2)
    assert (proof.refit_of, refit.refit_of) == (None, 2)
    assert (registry.refit(MODEL, 2), registry.refit(MODEL, 3)) == (3, None)
    assert [(line.number, line.refit_of) for line in registry.versions(MODEL)] == [(3, 2), (2, None), (1, None)]
    assert digests(registry.pending(MODEL, 2)) == ["p2"]
    assert digests(registry.trained_on(MODEL, 2)) == ["p1"]
    assert digests(registry.learned_by(MODEL, 2)) == []
    assert digests(registry.learned_by(MODEL, 2, "partly")) == ["p2"]
    assert digests(registry.pending(MODEL, 3)) == []


def test_partly_learned_rows_taint_when_they_are_recalled(registry: ModelRegistry) -> None:
    """A proof that learned from the older half of wrong rows learned from wrong rows."""
    for day in (1, 2):
        add_partition(registry, f"p{day}", day)
    add_version(registry, trained=["p1"])
    add_version(registry, parent=1, partly=("p2",))
    assert registry.recall(MODEL, "p2", reason="wrong zone", actor="me").tainted == (2,)


def test_a_refit_of_nobody_is_refused(registry: ModelRegistry) -> None:
    """Nothing of it is kept; the number that it would have had goes to the next one."""
    with pytest.raises(UnknownVersion, match="version 9"):
        add_version(registry, refit_of=9)
    assert add_version(registry).number == 1


def test_recall_taints_all_descendants(registry: ModelRegistry) -> None:
    """Versions that learned or replayed the rows, and all that were fine-tuned from them; never their ancestors."""
    three_champions(registry)
    add_partition(registry, "p4", 4)
    add_version(registry, parent=1, trained=["p4"])
    add_version(registry, parent=4, trained=[], replayed=("p2",))

    recall = registry.recall(MODEL, "p2", reason="wrong time zone", actor="me")

    assert recall.partition.digest == "p2"
    assert recall.tainted == (2, 3, 5)
    assert registry.tainted(MODEL) == (2, 3, 5)
    assert digests(registry.partitions(MODEL)) == ["p1", "p3", "p4"]
    assert digests(registry.trained_on(MODEL, 3)) == ["p1", "p3"]
    assert {v.number for v in registry.versions(MODEL) if v.tainted} == {2, 3, 5}


def test_after_a_recall_rollback_finds_the_newest_clean_version(registry: ModelRegistry) -> None:
    """The clean data learned since is pending again by itself; a tainted version cannot come back."""
    three_champions(registry)
    registry.recall(MODEL, "p2", reason="wrong time zone", actor="me")
    assert registry.rollback(MODEL, actor="me", reason="p2 was wrong").number == 1
    assert digests(registry.pending(MODEL)) == ["p3"]
    with pytest.raises(TaintedVersion):
        registry.rollback(MODEL, to=3, actor="me", reason="?")
    with pytest.raises(TaintedVersion):
        registry.promote(MODEL, 2, seen=4, kind="promote", actor="me", reason="?")
    assert registry.champion(MODEL).number == 1


def test_recall_twice_keeps_the_first_reason(registry: ModelRegistry, query: Query) -> None:
    """Repeating a recall, by the beginning of the digest, is harmless."""
    three_champions(registry)
    registry.recall(MODEL, "p3", reason="first", actor="me")
    assert registry.recall(MODEL, "p3", reason="second", actor="me").tainted == (3,)
    assert query("SELECT reason FROM recall") == [("first",)]


@pytest.mark.parametrize("digest", ["", "p", "nowhere", "p%", "_1", "'"])
def test_recall_names_one_partition_or_none(registry: ModelRegistry, digest: str) -> None:
    """Nothing is recalled by an ambiguous or unknown beginning."""
    three_champions(registry)
    with pytest.raises(UnknownPartition):
        registry.recall(MODEL, digest, reason="?", actor="me")
    assert registry.tainted(MODEL) == ()


def test_lineage_lists_a_version_and_its_ancestors(registry: ModelRegistry) -> None:
    """Newest first, without siblings."""
    three_champions(registry)
    add_version(registry, parent=1)
    assert [v.number for v in registry.lineage(MODEL, 4)] == [4, 1]
    assert [v.number for v in registry.lineage(MODEL, 3)] == [3, 2, 1]


def test_diff_says_what_separates_two_versions(registry: ModelRegistry) -> None:
    """Settings by dotted name, figures, data, and the newest common ancestor; what is equal is left out."""
    for name in ("p1", "p2", "p3"):
        add_partition(registry, name)
    add_version(registry, trained=["p1"])
    same = {"auc": math.nan, "log_loss": 0.5}
    add_version(registry, 1, ["p2"], plan={"stages": [{"rate": 0.1}], "seed": 1}, metrics=same)
    add_version(registry, 1, ["p3"], plan={"stages": [{"rate": 0.2}], "seed": 1}, metrics=same | {"log_loss": 0.4})

    diff = registry.diff(MODEL, 2, 3)

    assert diff.ancestor == 1
    assert (diff.same_base, diff.same_head) == (True, False)
    assert diff.plan == {"stages.0.rate": (0.1, 0.2)}
    assert diff.metrics == {"log_loss": (0.5, 0.4)}
    assert (diff.only_a, diff.only_b) == (("p2",), ("p3",))


def test_versions_can_be_ordered_by_a_metric(registry: ModelRegistry) -> None:
    """Lowest first, or with a minus highest first; NaN and missing values come last either way."""
    for value in (0.5, 0.3, math.nan, 0.4):
        add_version(registry, metrics={"log_loss": value})
    add_version(registry)
    assert [v.number for v in registry.versions(MODEL)] == [5, 4, 3, 2, 1]
    assert [v.number for v in registry.versions(MODEL, "log_loss")] == [2, 4, 1, 5, 3]
    assert [v.number for v in registry.versions(MODEL, "-log_loss")] == [1, 4, 2, 5, 3]
    assert [v.value for v in registry.versions(MODEL, "log_loss", limit=2)] == [0.3, 0.4]


def test_a_misspelt_metric_names_those_there_are(registry: ModelRegistry) -> None:
    """An order by nothing would look like an answer."""
    with pytest.raises(RegistryError, match="register versions with metrics"):
        registry.versions(MODEL, "log_loss")
    add_version(registry, metrics={"log_loss": math.nan, "auc": 0.5})
    with pytest.raises(RegistryError, match="use one of: auc, log_loss"):
        registry.versions(MODEL, "logloss")
    assert len(registry.versions(MODEL, "log_loss")) == 1


def test_figures_are_added_once(registry: ModelRegistry) -> None:
    """A figure that a version has is not overwritten."""
    add_version(registry, metrics={"log_loss": 0.5})
    registry.record_metrics(MODEL, 1, {"log_loss": 0.1, "auc": 0.7})
    assert registry.version(MODEL, 1).metrics == {"auc": 0.7, "log_loss": 0.5}


def test_runs_end_once(registry: ModelRegistry) -> None:
    """What a run ended as is not overwritten; an open run has no outcome."""
    run = registry.start_run(MODEL, trigger="schedule", flow_run_id="f-1")
    assert registry.runs(MODEL)[0] == run
    registry.finish_run(run.id, RunEnding("rejected", "retrain", "worse"), work_key="k", timings={"a": 1.5})
    with pytest.raises(RegistryError, match="no open run"):
        registry.finish_run(run.id, RunEnding("promoted", "retrain", "?"))
    ended = registry.runs(MODEL)[0]
    assert (ended.outcome, ended.decision, ended.timings) == ("rejected", "retrain", {"a": 1.5})
    assert ended.finished_at is not None


def test_the_newest_finished_run_of_some_work_is_found(registry: ModelRegistry) -> None:
    """Open runs and other models' do not count."""
    registry.add_model("digits")
    numbers = [registry.start_run(model, trigger="t").id for model in (MODEL, MODEL, "digits", MODEL)]
    for number in numbers[:3]:
        registry.finish_run(number, RunEnding("rejected", "retrain", ""), work_key="k")
    found = registry.run_with_work_key(MODEL, "k")
    assert found is not None
    assert found.id == numbers[1]
    assert registry.run_with_work_key(MODEL, "other") is None


def test_a_watch_does_no_work_but_its_own(registry: ModelRegistry) -> None:
    """What a watch looked at is not done for a retrain; a run that skipped work did none for anybody."""
    numbers = [registry.start_run(MODEL, trigger="t").id for _ in range(4)]
    for number, decision in zip(numbers, ("retrain", "watch", "skip", "none"), strict=True):
        registry.finish_run(number, RunEnding("waiting", decision, ""), work_key="k" if decision != "none" else None)
    found = [registry.run_with_work_key(MODEL, "k", watched=watched) for watched in (False, True)]
    assert [run.id for run in found if run] == numbers[:2]
    newest = [registry.newest_run(MODEL, some) for some in (("retrain",), ("retrain", "watch"), ("promote",))]
    assert [run and run.id for run in newest] == [numbers[0], numbers[1], None]


def test_free_text_that_no_database_can_hold_is_recorded(registry: ModelRegistry) -> None:
    """The reason of a failure must never be what cannot be recorded."""
    run = registry.start_run(MODEL, trigger="by hand")
    registry.finish_run(run.id, RunEnding("failed", "none", "a\0b \udcff ü 🌲 '; DROP TABLE run; --"))
    assert registry.runs(MODEL)[0].reason == r"a\x00b \udcff ü 🌲 '; DROP TABLE run; --"


def test_a_large_plan_is_kept(registry: ModelRegistry) -> None:
    """A megabyte of JSON comes back as it went in."""
    plan = {f"layer {place}": {"rate": place / 7, "words": ["ü"] * 10} for place in range(10_000)}
    add_version(registry, plan=plan)
    assert registry.version(MODEL, 1).plan == plan


def test_lookups_do_not_mistake_one_model_for_another(registry: ModelRegistry) -> None:
    """A version or a partition of another model is unknown."""
    registry.add_model("digits")
    three_champions(registry)
    with pytest.raises(UnknownVersion):
        registry.version("digits", 1)
    with pytest.raises(UnknownPartition):
        add_version(registry, model="digits", trained=["p1"])
    assert registry.pending("digits") == ()
    assert registry.versions("digits") == ()


def test_many_partitions_in_one_version(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """More partitions than a statement takes parameters are found in several."""
    monkeypatch.setattr(statements, "PARAMETERS", 3)
    names = [f"p{number}" for number in range(10)]
    for name in names:
        add_partition(registry, name)
    add_version(registry, trained=names)
    assert len(registry.trained_on(MODEL, 1)) == 10


def test_of_each_partition_the_ancestor_that_learned_it_is_known(registry: ModelRegistry) -> None:
    """A challenger beside the line, or a replay, counts for nothing."""
    three_champions(registry)
    add_version(registry, parent=2, trained=["p3"], replayed=("p1",))
    assert registry.learners(MODEL, 3) == {"p1": 1, "p2": 2, "p3": 3}
    assert registry.learners(MODEL, 4) == {"p1": 1, "p2": 2, "p3": 4}
    assert registry.learners(MODEL, 1) == {"p1": 1}
