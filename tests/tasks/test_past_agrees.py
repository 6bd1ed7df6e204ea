"""After a turn, the past is learned on unless it stands against the world as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filled import MODEL, START, add_version
from served import Place

from db.registry import open_registry
from errors import TrainingDiverged
from learning.files import ModelFiles, Trained
from learning.plans import FineTune, FromScratch, Replay
from learning.prediction import Predictions
from monitoring.decision import Pending
from tasks.past_agrees import PAST, Agreement, agreement_of, find_agreement

TURN, UNTIL = START + timedelta(days=2), START + timedelta(days=8)
DAYS = [1.0, 0.0] * 200  # of ten days


class Trainings:
    """Stands for trainings: what each was asked for, and the chance of a late row that its challenger gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, left: float, kept: float | list[float]) -> None:
        self.chances: dict[str, float | list[float]] = {"left": left, "kept": kept}
        self.asked: list[tuple[str, bool, datetime | None]] = []
        self.spans: list[tuple[Any, Any, Any]] = []
        self.caches: list[Path | None] = []
        self.rows, self.learned = 40, True
        monkeypatch.setattr("tasks.past_agrees.predict", self.predict)

    def train(self, name: str, *, agreement: Agreement, before: datetime | None) -> Trained:
        """A challenger that left the past, or kept it."""
        self.asked.append((name, agreement.kept, before))
        way = "kept" if agreement.kept else "left"
        return Trained(ModelFiles(Path(way), Path(way), way, way), (), (), {}, "", {"head": int(self.learned)})

    def predict(self, _spec: object, files: ModelFiles, _rows: object, **how: Any) -> Predictions:
        """Of every row, what came has this chance."""
        self.spans.append((how["split"], how["since"], how["before"]))
        self.caches.append(how["cache"])
        target = np.arange(self.rows) % 2.0
        right = np.resize(self.chances[files.head_digest], self.rows)  # of the outcome that came
        said = np.where(target == 1, right, 1 - right)[:, None].astype("float32")
        nothing = np.zeros(self.rows, "int64")
        return Predictions(target, said, nothing, nothing, {})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Version 1, the champion, learned what arrived before the turn; ten days are pending."""
    with open_registry(f"sqlite:///{tmp_path / 'registry.db'}") as registry:
        place = Place(tmp_path, registry, monkeypatch)
        place.promote(1, trained=[place.arrive(0, [1.0, 0.0] * 20).digest])
        yield place


def pending(place: Place) -> Pending:
    """Ten days, of which the last two judge."""
    return Pending(1, (place.arrive(2, DAYS, days=10),), "key", prove_from=UNTIL)


@pytest.mark.parametrize(
    ("left", "kept", "agrees"),
    [
        (0.9, 0.9, True),
        (0.9, 0.95, True),
        (0.9, 0.88, True),  # 4 % of what is better than a constant is given up
        (0.9, 0.8, False),  # 20 %
        (0.9, 0.5, False),  # half of the rows learned say the opposite
        (0.51, 0.505, False),  # hardly better than a constant, and of that too much is given up
        (0.51, 0.52, True),
    ],
)
def test_the_past_is_kept_where_it_costs_little(
    place: Place, monkeypatch: pytest.MonkeyPatch, left: float, kept: float, agrees: bool
) -> None:
    """Rows that neither trained on, and that are not to judge, say it."""
    trainings = Trainings(monkeypatch, left=left, kept=kept)
    found = find_agreement(place.context, pending(place), FineTune(), TURN, trainings.train)
    assert found == Agreement(TURN, kept=agrees, shown=True, rows=len(DAYS))
    assert trainings.asked == [("", False, UNTIL), ("", True, UNTIL)]
    assert trainings.spans == [("holdout", TURN, UNTIL)] * 2
    assert trainings.caches == [None, None]  # of other bases than the champion's, nobody asks again


@pytest.mark.parametrize("kept", [0.3, 0.41, 0.9])
def test_who_does_not_follow_the_new_world_yet_says_nothing_of_the_past(
    place: Place, monkeypatch: pytest.MonkeyPatch, kept: float
) -> None:
    """All else is better than a challenger that is worse than a constant; it is left, and asked again."""
    trainings = Trainings(monkeypatch, left=0.4, kept=kept)
    found = find_agreement(place.context, pending(place), FineTune(), TURN, trainings.train)
    assert found == Agreement(TURN, kept=False, shown=False, rows=len(DAYS))


@pytest.mark.parametrize("rows", [40, 4000])
@pytest.mark.parametrize(("left", "kept"), [(0.9, True), (0.999, False)])
def test_few_rows_answer_and_show_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, left: float, kept: bool, rows: int
) -> None:
    """The mean decides; whether it was luck is known later."""
    trainings = Trainings(monkeypatch, left=left, kept=[0.43, *[0.99999] * 7])
    trainings.rows = rows
    found = find_agreement(place.context, pending(place), FineTune(), TURN, trainings.train)
    assert found == Agreement(TURN, kept=kept, shown=rows == 4000, rows=len(DAYS))


@pytest.mark.parametrize(
    ("plan", "turned"),
    [
        (FineTune(), None),
        (FineTune(), UNTIL),  # all rows of the new world judge
        (FineTune(replay=Replay(share=0.0)), TURN),  # nothing of the past is learned anyhow
        (FineTune(replay=Replay(rows=0)), TURN),
    ],
)
def test_it_is_not_asked_where_there_is_no_question(
    place: Place, monkeypatch: pytest.MonkeyPatch, plan: FineTune, turned: datetime | None
) -> None:
    """A second training has its price."""
    trainings = Trainings(monkeypatch, left=0.9, kept=0.9)
    assert find_agreement(place.context, pending(place), plan, turned, trainings.train) is None
    assert not trainings.asked


@pytest.mark.parametrize(("rows", "asked"), [(230, False), (250, True)])
def test_a_few_rows_say_nothing(place: Place, monkeypatch: pytest.MonkeyPatch, rows: int, asked: bool) -> None:
    """Six days have 28 held-out rows of 230, and 30 of 250; to train for nothing may take hours."""
    trainings = Trainings(monkeypatch, left=0.5, kept=0.9)
    few = replace(pending(place), partitions=(place.arrive(2, DAYS[:rows], days=10),))
    assert bool(find_agreement(place.context, few, FromScratch(), TURN, trainings.train)) == asked
    assert bool(trainings.asked) == asked


@pytest.mark.parametrize(("of", "asked"), [(100, False), (20, True)])
def test_a_few_events_say_nothing(place: Place, monkeypatch: pytest.MonkeyPatch, of: int, asked: bool) -> None:
    """Of 48 rows held out, three are events, or a dozen; of three, neither challenger learned what an event is."""
    trainings = Trainings(monkeypatch, left=0.5, kept=0.9)
    labels = [float(row % of == 0) for row in range(400)]
    few = replace(pending(place), partitions=(place.arrive(2, labels, days=10),))
    assert place.context.spec.gate.min_events == 5
    assert bool(find_agreement(place.context, few, FromScratch(), TURN, trainings.train)) == asked
    assert bool(trainings.asked) == asked


def test_challengers_that_learned_nothing_say_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are the champion, which loses nothing by the past that it did not learn."""
    trainings = Trainings(monkeypatch, left=0.9, kept=0.9)
    trainings.learned = False
    assert find_agreement(place.context, pending(place), FineTune(), TURN, trainings.train) is None


def test_a_past_that_cannot_be_learned_is_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The retrain goes on as it would without the question."""
    trainings = Trainings(monkeypatch, left=0.9, kept=0.9)

    def train(name: str, *, agreement: Agreement, before: datetime | None) -> Trained:
        if agreement.kept:
            raise TrainingDiverged("a loss of nan", "old rows are in another unit", "look at them")
        return trainings.train(name, agreement=agreement, before=before)

    assert find_agreement(place.context, pending(place), FineTune(), TURN, train) is None


@pytest.mark.parametrize("how", [{"folds": (TURN, UNTIL), "prove_from": TURN}, {"prove_from": None}])
def test_held_out_rows_that_are_to_judge_do_not_choose_before(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    """Where all pending ones do, only those that the champion has learned of the same days are asked."""
    trainings = Trainings(monkeypatch, left=0.9, kept=0.9)
    judged = replace(pending(place), **how)
    assert find_agreement(place.context, judged, FineTune(), TURN, trainings.train) is None
    place.promote(2, trained=[place.arrive(2, DAYS, days=10).digest])
    found = find_agreement(place.context, replace(judged, champion=2), FineTune(), TURN, trainings.train)
    assert found == Agreement(TURN, kept=True, shown=True, rows=800)
    name, until = ("fold-2", UNTIL) if judged.folds else ("", None)
    assert trainings.asked == [(name, False, until), (name, True, until)]


LEFT = Agreement(TURN, kept=False, shown=False, rows=201)


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (LEFT, False),
        (replace(LEFT, rows=200), True),
        (replace(LEFT, rows=1, shown=True), False),
        (replace(LEFT, shown=True, turned=TURN - timedelta(days=1)), True),  # of another turn
    ],
)
def test_what_is_shown_holds_and_else_it_is_asked_when_twice_as_much_is_known(
    place: Place, monkeypatch: pytest.MonkeyPatch, known: Agreement, asked: bool
) -> None:
    """Once the champion follows the new world, a single retrain with the past would cost little.

    The version that was asked for was refused, or replaced: what it showed is as true.
    """
    add_version(place.registry, parent=1, plan=known.recorded)
    trainings = Trainings(monkeypatch, left=0.9, kept=0.9)
    found = find_agreement(place.context, pending(place), FineTune(), TURN, trainings.train)
    assert bool(trainings.asked) == asked
    assert found == (Agreement(TURN, kept=True, shown=True, rows=400) if asked else known)


def test_what_was_found_is_read_back_from_the_plan(place: Place) -> None:
    """Of no turn, or of a plan that says nothing, nothing is known."""
    known = Agreement(TURN, kept=True, shown=True, rows=4)
    add_version(place.registry, parent=1, plan=known.recorded)
    plan = place.registry.version(MODEL, 2).plan
    assert plan[PAST] == {"turned": TURN.isoformat(), "kept": True, "shown": True, "rows": 4}
    assert agreement_of(plan, TURN) == known
    assert agreement_of(plan, None) is None
    assert agreement_of({}, TURN) is None
