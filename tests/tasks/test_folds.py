"""Folds: who left which rows out, and what they say of them, in the order in which the champion speaks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from filled import MODEL, START, add_version, promote
from served import Place

from db.registry import open_registry
from evaluation.gate import Verdict
from learning.files import ModelFiles, Trained
from learning.fitted import Fitted
from learning.plans import FineTune
from learning.prediction import Predictions
from learning.regression import Regression
from learning.spec import Gate
from monitoring.decision import Pending
from tasks.evaluate import evaluate, rows_of
from tasks.find_pending import asked_work
from tasks.finetune import cross_fitted, learned_since, training
from tasks.judged_rows import judged_by, since_the_turn
from tasks.paired_rows import FoldedRows, Rows
from tasks.past_agrees import Agreement
from tasks.register_version import Fold
from tiny import TINY

STARTS = tuple(datetime(2024, 1, day, tzinfo=UTC) for day in (1, 3, 5))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Version 1, the champion, learned what arrived."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        place.promote(1, trained=[place.arrive(0, [1.0, 0.0] * 20).digest])
        yield place


def folds_since(*days: int) -> tuple[Fold, ...]:
    """Folds that begin on these days, each judged by somebody else."""
    starts = [START + timedelta(days=day) for day in days]
    ends = zip(starts, (*starts[1:], None), strict=True)
    return tuple(Fold(since, until, files(str(place))) for place, (since, until) in enumerate(ends))


RARE = [1.0, *[0.0] * 18, None]  # of a day
WEEK = [*RARE * 8]


@pytest.mark.parametrize(
    ("days", "changed", "folds"),
    [
        (WEEK, {}, (2, 4, 6, 8)),  # of eight events the newest quarter holds two, and the gate asks for five
        ([*WEEK, *[None] * 20], {}, (2, 4, 6, 8)),  # a day without labels begins no fold
        ([*[None] * 40, *WEEK], {}, (4, 6, 8, 10)),
        ([*[0.0] * 140, *[1.0] * 4, *[0.0] * 16], {}, (2, 9)),  # all events on one day: nobody learned any
        ([0.0] * 160, {}, ()),  # a single class
        (WEEK, {"gate": Gate(min_rows=20, min_events=2)}, ()),
        (WEEK, {"gate": Gate(min_rows=20, min_events=0)}, ()),
        (WEEK, {"gate": Gate(min_rows=20, min_events=5, prove_on=0.5)}, (2, 6)),
        (WEEK, {"objective": Regression()}, ()),
        (WEEK, {"schema": replace(TINY.schema, block="")}, ()),
        (WEEK, {"schema": replace(TINY.schema, block="30d")}, ()),  # a single block: what is held out judges
    ],
)
def test_folds_judge_where_the_newest_rows_hold_too_few_events(
    place: Place, days: list[float | None], changed: dict[str, Any], folds: tuple[int, ...]
) -> None:
    """And nowhere else: they take as many trainings more."""
    place.spec = replace(place.spec, **changed)
    new = place.arrive(2, days, days=len(days) // 20)
    found = judged_by(place.context, Pending(1, (new,), "key"))
    assert [(start - START).days for start in found.folds] == list(folds)
    if folds:
        assert found.prove_from == found.folds[0]
        assert (found.judged_rows, found.judged_events) == (new.labelled_rows, days.count(1.0))


def test_no_fold_begins_with_rows_that_an_adopted_model_has_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It learned them elsewhere, and looks better on them than it is."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        until = START + timedelta(days=4)
        add_version(registry, plan={"kind": "Adopted", "trained_before": until.isoformat()})
        promote(registry, 1)
        found = judged_by(place.context, Pending(1, (place.arrive(2, WEEK, days=8),), "key"))
    assert [(start - START).days for start in found.folds] == [4, 6, 7, 9]
    assert found.judged_events == 6


def files(name: str) -> ModelFiles:
    """Files that nobody opens."""
    return ModelFiles(Path(name), Path(name), name, name)


def test_each_fold_has_a_challenger_that_learned_all_but_it(caplog: pytest.LogCaptureFixture) -> None:
    """And the refit takes the middle epoch; who waits for it sees in the log how many trainings there will be."""
    asked: dict[str, Mapping[str, Any]] = {}

    def train(name: str, **rows: Any) -> Trained:
        asked[name] = rows
        return Trained(files(name), (), (), {}, f"{name} went well", {"head": 3 * len(asked)})

    with caplog.at_level(logging.INFO, logger="evergreen"):
        refit, folds = cross_fitted(STARTS, train)
    assert len(asked) == 7
    assert "3 folds judge, which takes 7 trainings" in caplog.text
    assert "fold 2 of 3, since 2024-01-03 00:00: fold-2 went well" in caplog.text
    assert asked["fold-1"] == {"before": STARTS[0], "after": STARTS[1]}
    assert asked["fold-2"] == {"before": STARTS[1], "after": STARTS[2]}
    assert asked["fold-3"] == {"before": STARTS[2], "after": None}
    assert asked["fold-2-refit"] == {**asked["fold-2"], "refit": {"head": 9}, "fitted": Fitted()}
    assert asked["refit"]["refit"] == {"head": 9}  # of 3, 9 and 15
    assert [(fold.since, fold.until, fold.files) for fold in folds] == [
        (STARTS[0], STARTS[1], files("fold-1-refit")),
        (STARTS[1], STARTS[2], files("fold-2-refit")),
        (STARTS[2], None, files("fold-3-refit")),
    ]
    assert refit.files == files("refit")
    assert refit.plan["folds"] == [start.isoformat() for start in STARTS]


def test_folds_speak_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a fold may lie in any partition: champion and challenger are compared row by row."""
    caches: list[Path | None] = []
    known = np.array([[0, 0, 1], [0, 1, 3], [1, 0, 0], [1, 1, 2]])  # partition, row, and the row's fold times two

    def predict(_spec: object, found: ModelFiles, _new: object, *, cache: Path | None, **_: object) -> Predictions:
        caches.append(cache)
        mine = known[(known[:, 2] // 2).astype(str) == found.base_digest]
        return told(mine[:, 0], mine[:, 1], mine[:, 2])

    def told(partition: Any, rows: Any, said: Any) -> Predictions:
        return Predictions(said.astype(float), said[:, None].astype("float32"), partition, rows, {})

    nothing = np.empty(0, "int64")
    monkeypatch.setattr("tasks.paired_rows.predict", predict)
    monkeypatch.setattr(Rows, "predicted", lambda *_: told(nothing, nothing, nothing))
    context: Any = SimpleNamespace(spec=None, partition_files=tuple, settings=SimpleNamespace(cache=Path()))
    version: Any = SimpleNamespace(number=2, base=SimpleNamespace(digest="0"))
    folds = tuple(Fold(STARTS[place], None, files(str(place))) for place in (0, 1))
    rows = FoldedRows((), (), STARTS[0], None, challenger=2, folds=folds)
    found = rows.predicted(context, version)
    assert found.prediction.ravel().tolist() == [1, 3, 0, 2]
    assert "in 2 folds" in rows.remark
    assert caches == [Path(), None]  # nobody will ask for features of the second one's base again


@pytest.mark.parametrize(("events", "judge"), [(20, (STARTS[2],)), (19, STARTS)])
def test_the_old_world_judges_nobody_where_the_new_one_has_events_enough(
    monkeypatch: pytest.MonkeyPatch, events: int, judge: tuple[datetime, ...]
) -> None:
    """Who follows the turn would be refused for what is no more."""
    pending = Pending(1, (), "key", folds=STARTS, judged_events=40)
    newer = replace(pending, folds=STARTS[2:], judged_events=events)
    monkeypatch.setattr("tasks.judged_rows.folded", lambda *_: newer)
    context: Any = SimpleNamespace(spec=SimpleNamespace(gate=Gate()))
    assert since_the_turn(context, pending, STARTS[2]).folds == judge
    assert since_the_turn(context, pending, None).folds == STARTS


def test_the_unseen_rows_of_a_turned_world_are_asked_for_by_the_turn(place: Place) -> None:
    """The champion learned online some of all rows since, and nothing of older ones: those since judge all the same."""
    older, half = place.arrive(2, [1.0, 0.0] * 20), place.arrive(4, [1.0, 0.0] * 20, days=2)
    add_version(place.registry, parent=1, plan={"kind": "online"}, partly=(half.digest,))
    promote(place.registry, 2)
    champion, folds = place.registry.version(MODEL, 2), folds_since(4, 5)
    pending = Pending(2, (older, half), "key", prove_from=START + timedelta(days=2), folds=STARTS)
    rows = rows_of(place.context, champion, champion, pending, folds)
    assert half in rows.new
    assert rows.since == folds[0].since
    assert rows_of(place.context, champion, champion, pending).new == (older,)


@pytest.mark.parametrize("kept", [0, 2])
def test_folds_do_not_speak_for_a_challenger_that_learned_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """From scratch it would be the weights that training begins with, whatever the challengers of some folds know."""
    met = Predictions(np.empty(0), np.empty((0, 1), "float32"), np.empty(0, "int64"), np.empty(0, "int64"), {})
    monkeypatch.setattr("tasks.evaluate.meet", lambda *_: SimpleNamespace(paired=None, challenger=met))
    monkeypatch.setattr("tasks.evaluate.judged", lambda *_: Verdict(True, "better so far", ()))
    monkeypatch.setattr("tasks.evaluate.curves", lambda *_: ())
    new = place.arrive(2, [1.0, 0.0] * 20, days=2)
    number = add_version(place.registry, parent=1, plan={"refit": {"pretrain": kept}}).number
    pending = Pending(1, (new,), "key", prove_from=START + timedelta(days=2), folds=STARTS)
    found = evaluate(place.context, place.run, number, pending, folds_since(2, 3))
    assert found.accepted == (kept > 0)
    assert found.reason.startswith("better so far" if kept else "nothing was learned: of no stage an epoch was better")
    assert ("in 2 folds, each by a challenger" in found.reason) == found.accepted


def test_files_are_fetched_once_for_all_trainings() -> None:
    """Each is hashed when it is fetched: of a long history that takes longer than a small head learns."""
    fetched: list[Any] = []
    new, old = ((SimpleNamespace(digest=digest),) for digest in ("new", "old"))

    def fetch(partitions: Any) -> list[Any]:
        fetched.append(partitions)
        return [SimpleNamespace(digest="file")]

    registry: Any = SimpleNamespace(version=lambda *_: None, trained_on=lambda *_: old)
    context: Any = SimpleNamespace(
        spec=TINY,
        registry=registry,
        settings=SimpleNamespace(work=Path(), logs=Path(), cache=Path()),
        past=SimpleNamespace(finetune=lambda *_, **how: Trained(files(how["work"].name), (), ("file",), {}, "", {})),
        model_files=lambda _: fetched.append("champion"),
        partition_files=fetch,
    )
    train = training(context, 1, Pending(1, cast("Any", new), "key"), FineTune(), None)
    made = [train(name, before=STARTS[0]) for name in ("fold-1", "fold-2", "")]
    assert [one.files.base_digest for one in made] == ["key-fold-1", "key-fold-2", "key"]
    assert made[0].replayed == ("old",)
    assert fetched == ["champion", new, old]


@pytest.mark.parametrize("folds", [(), STARTS])
def test_where_all_rows_of_a_turned_world_judge_others_are_learned(folds: tuple[datetime, ...]) -> None:
    """Else there is nothing to build base and head from, and the run fails for as long as no more arrive."""
    pending, earlier = Pending(1, (), "key", prove_from=STARTS[-1], folds=folds), STARTS[-1] - timedelta(days=1)
    assert learned_since(pending, earlier) == earlier
    assert learned_since(pending, STARTS[-1]) is None


@pytest.mark.parametrize("kept", [False, True])
def test_who_keeps_the_past_replays_all_of_it_in_a_folder_of_its_own(kept: bool) -> None:
    """Also its refit, and each fold: what was found is in the plan of each."""
    asked: list[tuple[str, datetime | None]] = []

    def finetune(*_: object, work: Path, replay_since: datetime | None, **__: object) -> Trained:
        asked.append((work.name, replay_since))
        return Trained(files(""), (), (), {"kind": "FineTune"}, "", {})

    context: Any = SimpleNamespace(
        spec=TINY,
        registry=SimpleNamespace(version=lambda *_: None, trained_on=lambda *_: ()),
        settings=SimpleNamespace(work=Path(), logs=Path(), cache=Path()),
        past=SimpleNamespace(finetune=finetune),
        model_files=lambda _: None,
        partition_files=tuple,
    )
    agreement = Agreement(STARTS[0], kept=kept, shown=True, rows=9)
    train = training(context, 1, Pending(1, (), "key"), FineTune(), None)
    made = [train(name, since=STARTS[0], agreement=agreement) for name in ("", "refit")]
    named, since = ("-with-past", None) if kept else ("", STARTS[0])
    assert asked == [(f"key{named}", since), (f"key-refit{named}", since)]
    assert [one.plan for one in made] == [{"kind": "FineTune", **agreement.recorded}] * 2


def test_where_nothing_is_pending_no_row_judges(place: Place) -> None:
    """A model that is asked to begin anew learns all that there is, and what was held out decides."""
    context = cast("Any", SimpleNamespace(**vars(place.context), newest=SimpleNamespace(counted=tuple)))
    found = asked_work(context, "from scratch")
    assert (found.champion, found.partitions, found.settled) == (1, (), "")
    assert (found.prove_from, found.folds, found.judged_rows, found.judged_events) == (None, (), 0, 0)
