"""A live model is edited: what the run says of it, and what the two ways to build it anew do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from db.registry import ModelRegistry, open_registry
from errors import TrainingDiverged
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from flows.watch import watch
from learning.changes import MADE_FOR
from learning.spec import ModelSpec, Multiclass, Regression
from settings import Settings
from tiny import TINY, Landing

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

pytestmark = pytest.mark.slow

Edit = Callable[..., ModelSpec]
WIDER = replace(TINY.schema, numeric=("speed", "wind"), nullable=("wind",))


def wide_base(sample: Columns) -> keras.Model:
    """Every number of the sample, normalised, nulls at their mean."""
    from keras import Input, Model, layers, ops

    inputs, parts = {"city": Input((1,), name="city", dtype="string")}, []
    for name in (one for one in sample if one != "city"):
        inputs[name] = Input((1,), name=name)
        scale = layers.Normalization()
        scale.adapt(sample[name][~np.isnan(sample[name])].reshape(-1, 1))
        parts.append(ops.nan_to_num(scale(inputs[name])))
    joined = parts[0] if len(parts) == 1 else layers.Concatenate()(parts)
    return Model(inputs, layers.Dense(4, activation="relu")(joined))


def land(landing: Landing, rows: int, columns: tuple[str, ...], days: int = 1) -> Path:
    """Let rows arrive: wind decides now, whatever speed says; only these columns are in the file."""
    draw, first = np.random.default_rng(99), datetime(2026, 3, 1, tzinfo=UTC)
    wind = draw.normal(0, 1, rows)
    frame = pl.DataFrame(
        {
            "at": [first + timedelta(days=days) / rows * place for place in range(rows)],
            "id": [f"new-{place}" for place in range(rows)],
            "speed": draw.normal(0, 1, rows),
            "wind": wind,
            "city": draw.choice(["A", "B"], rows),
            "late": (wind > 0).astype(float),
        }
    )
    path = landing.folder / "new.parquet"
    frame.select("at", "id", "late", *columns).write_parquet(path)
    return path


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    """The registry that the flows write."""
    return open_registry(home.database_url)


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Edit:
    """A function that edits the model's file."""

    def change(schema: dict[str, Any] | None = None, **spec: Any) -> ModelSpec:
        edited = replace(TINY, schema=replace(TINY.schema, **(schema or {})), **spec)
        monkeypatch.setattr("tasks.run.load_spec", lambda *_: edited)
        return edited

    return change


@pytest.fixture
def started(begin: Callable[[int], None], registry: ModelRegistry) -> ModelRegistry:
    """Version 1 has learned a day."""
    begin(200)
    return registry


def reason(registry: ModelRegistry) -> str:
    """Why the newest run ended as it did."""
    return str(registry.runs("tiny", limit=1)[0].reason)


def test_nothing_is_taken_while_a_champion_takes_other_columns(
    started: ModelRegistry, landing: Landing, edit: Edit
) -> None:
    """No traceback, no row: the run ends before anything is read, and says both ways."""
    landing.land(100)
    edit({"numeric": ("speed", "wind")})
    for flow in (retrain, watch):
        assert flow("tiny") == "needs attention"
        assert "'wind' was added" in reason(started)
        assert "evergreen retrain tiny --from-scratch" in reason(started)
    assert bootstrap("tiny", again=True) == "needs attention"
    assert "may not be null" in reason(started)
    assert len(started.partitions("tiny")) == 1


def test_a_column_that_was_added_is_learned_from_what_has_it(
    landing: Landing, started: ModelRegistry, edit: Edit
) -> None:
    """Old partitions give null; the champion is asked on the new rows too, by its own columns, and loses."""
    land(landing, 400, ("speed", "wind", "city"), days=8)
    edit({"numeric": ("speed", "wind"), "nullable": ("wind",)}, build_base=wide_base)
    assert bootstrap("tiny", again=True) == "promoted"
    champion = started.champion("tiny")
    assert (champion.parent, champion.refit_of) == (None, 2)
    assert champion.base != started.version("tiny", 1).base
    assert champion.plan[MADE_FOR]["schema"]["numeric"] == ["speed", "wind"]
    assert started.pending("tiny") == ()
    (verdict,) = started.evaluations("tiny", 2)
    assert (verdict.champion, verdict.metrics[0].dataset) == (1, "proving window")
    assert {score.number for score in started.scores("tiny")} == {1}  # it was scored before anything learned the rows
    landing.land(60)
    edit({"numeric": ("speed",)})
    assert "'wind' was removed" in (retrain("tiny"), reason(started))[1]


def test_a_champion_that_cannot_read_what_arrives_is_no_opponent(
    landing: Landing, started: ModelRegistry, edit: Edit
) -> None:
    """Speed comes no more: of the rows to come the champion would say nothing, and the sentence says so."""
    land(landing, 400, ("wind", "city"), days=8)
    edit({"numeric": ("wind",), "nullable": ("wind",)}, build_base=wide_base)
    assert retrain("tiny", from_scratch=True) == "promoted"
    (verdict,) = started.evaluations("tiny", 2)
    assert verdict.champion is None
    assert "a constant stands in for version 1, which cannot read 400 of the new rows" in reason(started)
    assert started.champion("tiny").parent == 1
    assert started.pending("tiny") == ()


@pytest.mark.parametrize("ask", [lambda: bootstrap("tiny", again=True), lambda: retrain("tiny", from_scratch=True)])
def test_a_person_may_ask_without_new_data_and_once(
    started: ModelRegistry, edit: Edit, ask: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited builder or plan is enough; the same request again is told that nothing has changed."""
    edit(build_base=wide_base)
    assert ask() in {"promoted", "rejected"}
    assert started.version("tiny", 2).base != started.version("tiny", 1).base
    assert ask() == "no new data"
    assert "nothing has changed since run 2" in reason(started)
    edit(build_base=wide_base, pretrain=replace(TINY.pretrain, epochs=4))
    monkeypatch.setattr("learning.pretraining.train", begun)
    with pytest.raises(TrainingDiverged, match="another training"):
        ask()


def begun(*_: object) -> None:
    """End a training where it begins: that it began is all that matters."""
    raise TrainingDiverged("another training", "it began", "nothing")


def test_an_edited_builder_is_told_of(landing: Landing, started: ModelRegistry, edit: Edit) -> None:
    """The base in production is of another text: each retrain says so, until one is built from the new text."""
    landing.land(60)
    edit(build_base=wide_base)
    retrain("tiny")
    assert "build_base of tiny was edited since version 1 was built" in reason(started)
    assert "evergreen retrain tiny --from-scratch" in reason(started)


def test_another_objective_is_judged_against_a_constant(landing: Landing, started: ModelRegistry, edit: Edit) -> None:
    """What the champion predicts is not what is asked for now: only --again goes on."""
    edit(objective=Regression(), build_head=plain_head)
    assert retrain("tiny") == "needs attention"
    assert "the objective was Binary() and is Regression()" in reason(started)
    assert retrain("tiny", from_scratch=True) == "needs attention"
    assert bootstrap("tiny", again=True) == "promoted"
    assert started.evaluations("tiny", 2)[0].champion is None


def test_who_predicted_something_else_is_scored_on_nothing_more(
    landing: Landing, started: ModelRegistry, edit: Edit
) -> None:
    """Rows that arrived before the new version, and after it, are scored by who predicts what is asked for now."""
    edit(objective=Multiclass(3), build_head=three_classes)
    landing.land(60)
    assert bootstrap("tiny", again=True) == "promoted"
    newest = Path(landing.land(60)).stem
    retrain("tiny")
    stems = {partition.digest: Path(partition.source_uri).stem for partition in started.partitions("tiny")}
    assert {score.number for score in started.scores("tiny") if stems[score.partition] == newest} == {2}


def three_classes(features: tuple[int, ...]) -> keras.Model:
    """From features to the chances of three classes, of which one never comes."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(3, activation="softmax")])


def plain_head(features: tuple[int, ...]) -> keras.Model:
    """From features to a number."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(1)])
