"""A backtest as its users see it: it decides as production did, sees nothing of the future, and survives a kill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import flows.backtest
from arrivals.ingest import ingest
from clock import as_of
from db.artifacts import ArtifactStore
from db.registry import ModelRegistry, open_registry
from db.snapshots import save_snapshot
from evaluation.backtests import BlockScore, Step
from flows.backtest import REGISTRY, live, opened, policy_folder
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.overrides import overridden, policy
from settings import Settings
from tasks.history import Asked, History, prepared
from tasks.run import Context
from tiny import TINY, Landing

pytestmark = pytest.mark.slow

DAYS = timedelta(days=2)
SCHEDULED = datetime(2026, 1, 4, tzinfo=UTC)  # after the first file's three days
START = SCHEDULED + timedelta(minutes=1)  # a run takes what is there a little after it began

TRAINS_ONCE = "always+retrain.cooldown=30d"

Decisions = list[tuple[str | None, str | None]]


def decisions(registry: ModelRegistry) -> Decisions:
    """How each run ended, and why, oldest first."""
    return [(run.outcome, run.reason) for run in reversed(registry.runs("tiny"))]


def weights(registry: ModelRegistry) -> dict[int, tuple[str, str]]:
    """What each version holds, by its number."""
    return {one.number: (one.base, one.head) for one in registry.versions("tiny")}


@contextmanager
def registry_of(history: History, name: str) -> Iterator[ModelRegistry]:
    """The registry of a policy that was lived through."""
    spec = overridden(TINY, policy(name))
    with opened(spec, history, policy_folder(spec, history, policy(name)) / REGISTRY) as its:
        yield its.registry


class Killed(BaseException):
    """What ends a process at once."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process be killed at the end of a step, when its registry has all of it and the snapshot has not."""

    def save(database: Path, snapshot: Path) -> None:
        if snapshot.stem.endswith(str(step)):
            raise Killed
        save_snapshot(database, snapshot)

    monkeypatch.setattr(flows.backtest, "save_snapshot", save)


def test_it_decides_as_production_did_also_where_it_was_killed(
    landing: Landing, registry: ModelRegistry, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real flow, week by week; then the same weeks once more: the same verdicts, reasons and weights."""
    landing.land(120, days=3)
    with as_of(SCHEDULED):
        assert bootstrap("tiny") == "promoted"
    for step in (1, 2, 3):
        landing.land(80, days=2, flipped=step > 1)
        with as_of(SCHEDULED + step * DAYS):
            retrain("tiny")

    context = Context(TINY, registry, ArtifactStore(home.artifact_root, home.cache), home)
    history = prepared(context, Asked((), START, step=DAYS))
    for step in (1, 3):
        with monkeypatch.context() as patch:
            killed_at(step, patch)
            with pytest.raises(Killed):
                live(TINY, history, policy("present"))
    lived = live(TINY, history, policy("present"))

    with registry_of(history, "present") as again:
        assert decisions(again) == decisions(registry)
        assert weights(again) == weights(registry)
    assert [step.outcome for step in lived.result.steps] == [outcome for outcome, _ in decisions(registry)][1:]
    assert [step.at for step in lived.result.steps] == [START + step * DAYS for step in (1, 2, 3)]


def test_the_future_is_not_seen(tmp_path: Path) -> None:
    """With other labels to come, or none, all is the same until then: decisions, losses and weights."""
    one, another = (past(tmp_path / name, turned=turned) for name, turned in (("one", False), ("another", True)))
    found = until_then(one, None)
    assert until_then(another, None) == found
    assert until_then(one, START + DAYS) == found  # asked for less than was gone through before


def past(folder: Path, *, turned: bool) -> Context:
    """A home where three files were taken at once; the labels of the last may be the other way round."""
    settings = Settings(home=folder)
    landing = Landing(Path(settings.landing) / "tiny")
    landing.land(120, days=3)
    landing.land(80, days=2)
    landing.land(80, days=2, flipped=turned)
    registry = open_registry(settings.database_url)
    registry.add_model("tiny")
    store = ArtifactStore(settings.artifact_root, settings.cache)
    ingest(TINY, registry, store, landing=settings.landing, cache=settings.cache)
    return Context(TINY, registry, store, settings)


def until_then(context: Context, end: datetime | None) -> tuple[Step, list[BlockScore], list[tuple[str, str]]]:
    """The first step of a policy that trains in it, without the time it took; its scores, and all versions' weights."""
    history, then = prepared(context, Asked((), START, end, DAYS)), SCHEDULED + DAYS
    lived = live(TINY, history, policy(TRAINS_ONCE)).result
    assert len(lived.steps) == (2 if end is None else 1)
    with registry_of(history, TRAINS_ONCE) as registry:
        made = list(weights(registry).values())
    assert len(made) == 3  # the first, a proof and its refit
    return replace(lived.steps[0], cpu_s=0.0), [score for score in lived.scores if score.block < then], made


def test_a_process_imports_what_it_needs_while_another_one_makes_version_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for that one, and import only then."""
    context = past(tmp_path, turned=False)
    history, order = prepared(context, Asked((), START, step=DAYS)), list[str]()

    def made_by_another(*_: object) -> Path:
        order.append("version 1")
        raise Killed

    monkeypatch.setattr(flows.backtest, "import_what_steps_need", lambda _: order.append("imports"))
    monkeypatch.setattr(flows.backtest, "first_version", made_by_another)
    with pytest.raises(Killed):
        live(TINY, history, policy("present"))
    assert order == ["imports", "version 1"]


def test_the_import_is_asked_for_once_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before version 1, and not again where its steps begin."""
    history, order = prepared(past(tmp_path, turned=False), Asked((), START, step=DAYS)), list[str]()

    def killed(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(flows.backtest, "import_what_steps_need", lambda _: order.append("imports"))
    monkeypatch.setattr(flows.backtest, "first_version", lambda *_: tmp_path)
    monkeypatch.setattr(flows.backtest, "begun_again", lambda *_: 0)
    monkeypatch.setattr(flows.backtest, "opened", killed)
    with pytest.raises(Killed):
        live(TINY, history, policy("present"))
    assert order == ["imports"]
