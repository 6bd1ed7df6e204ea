"""A model that was trained elsewhere is adopted, gets new rows, and is retrained: the command and the flows as one."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import elsewhere
import keras
import numpy as np
import polars as pl
import pytest
from elsewhere import saved
from typer.testing import CliRunner

from cli.main import app
from db.registry import ModelRegistry, open_registry
from errors import EvergreenError, InvalidName, TooManyBadRows
from evergreen_client import load_champion
from flows.retrain import retrain
from settings import Settings

pytestmark = pytest.mark.slow

START, HOURS = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1)
UNTIL = datetime(2026, 1, 11, tzinfo=UTC)


def rows(first: int, count: int, *, flipped: bool = False) -> pl.DataFrame:
    """A row an hour: late where the size is positive, or the other way round."""
    draw = np.random.default_rng(first)
    size, price, age = draw.normal(size=(3, count))
    return pl.DataFrame(
        {
            "order_id": [f"o{first + place}" for place in range(count)],
            "at": [(START + (first + place) * HOURS).isoformat() for place in range(count)],
            "size": size,
            "price": price,
            "age": age,
            "late": ((size > 0) != flipped).astype(int),
        }
    )


@pytest.fixture
def here(tmp_path: Path, home: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with room for models, where the command is called; and a model and rows beside it."""
    (tmp_path / "shop" / "models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "shop")
    keras.utils.set_random_seed(1)  # dropout draws from a seed that Keras saves with the model
    saved(elsewhere.sequential, tmp_path)
    rows(0, 300).write_csv(tmp_path / "orders.csv")
    return tmp_path


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    """The registry that the flows write."""
    return open_registry(home.database_url)


def adopt(here: Path, *more: str, name: str = "orders", file: str = "sequential.keras") -> str:
    """Run the command; errors come through."""
    given = [name, str(here / file), "--data", str(here / "orders.csv"), "--key", "order_id", *more]
    result = CliRunner().invoke(app, ["adopt", *given], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def left(here: Path, home: Settings) -> list[str]:
    """What lies in the models folder, and in the landing; what Python compiled does not count."""
    folders = here / "shop" / "models", Path(home.landing)
    return sorted(path.name for folder in folders for path in folder.rglob("*.*") if path.suffix != ".pyc")


def test_it_is_adopted_gets_rows_and_is_retrained(here: Path, home: Settings, registry: ModelRegistry) -> None:
    """Version 1 answers as the saved model; what came after its training is pending, and only that judges."""
    output = adopt(here, "--trained-until", "2026-01-10")
    assert "cut at 'norm'" in output
    assert left(here, home) == ["orders-learned.csv", "orders-new.csv", "orders.keras", "orders.py"]
    first = registry.champion("orders")
    assert (first.number, first.plan["kind"], first.plan["trained_before"]) == (1, "Adopted", UNTIL.isoformat())
    assert "adopted, not judged" in registry.promotions("orders")[0].reason
    assert [p.rows for p in registry.trained_on("orders", 1)] == [240]
    assert [p.rows for p in registry.pending("orders")] == [60]
    some = rows(0, 5)
    mine = keras.models.load_model(here / "sequential.keras")(some.select("size", "price", "age").to_numpy())
    with load_champion("orders", database_url=home.database_url, artifact_root=home.artifact_root) as champion:
        np.testing.assert_allclose(champion.predict(some.to_dict(as_series=False)), mine, rtol=1e-6)

    rows(300, 600).write_csv(Path(home.landing) / "orders" / "next.csv")  # flipped, the world had turned: no replay
    outcome = retrain("orders")
    assert outcome in {"promoted", "rejected", "needs attention"}
    assert registry.runs("orders")[0].decision == "retrain"
    version = registry.version("orders", 2)
    assert version.parent == 1
    assert version.base == first.base
    assert version.head != first.head
    (verdict,) = registry.evaluations("orders", 2)
    assert {metric.dataset for metric in verdict.metrics} == {"proving window"}
    assert min(loss.block for loss in registry.block_losses("orders")) >= UNTIL
    replayed = registry.learned_by("orders", 2, "replayed")
    assert {p.time_to < UNTIL for p in replayed} == {True}


def test_a_model_of_two_outputs_is_retrained_by_the_sum_of_their_losses(
    here: Path, home: Settings, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chance and a number of one plain model: both learn, the sum decides, and each has its figures everywhere."""

    def paid(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(paid=pl.col("price") + 2)

    model = saved(elsewhere.two_outputs, here)
    paid(rows(0, 300)).write_csv(here / "orders.csv")
    more = ("--output", "amount=paid", "--output", "chance=late", "--trained-until", "2026-01-10")
    output = adopt(here, *more, file=model.name)
    assert "amount: target paid, Regression(), weight " in output
    assert "chance: target late, Binary(), weight 1.4" in output
    first, some = registry.champion("orders"), rows(0, 5)
    mine = keras.models.load_model(model)(some.select("size", "price", "age").to_numpy())
    with load_champion("orders", database_url=home.database_url, artifact_root=home.artifact_root) as champion:
        told = champion.predict_outputs(some.to_dict(as_series=False))
        assert champion.outputs == tuple(told) == ("amount", "chance")
        np.testing.assert_allclose(told["chance"], mine[0], rtol=1e-6)
        np.testing.assert_allclose(told["amount"], mine[1], rtol=1e-6)

    path = here / "shop" / "models" / "orders.py"
    path.write_text(path.read_text().replace("learning_rate=1e-3", "learning_rate=5e-2"))  # it has learned nothing yet
    monkeypatch.delitem(sys.modules, "models.orders")
    paid(rows(300, 600)).write_csv(Path(home.landing) / "orders" / "next.csv")
    assert retrain("orders") == "promoted"
    second = registry.version("orders", 2)
    assert (second.parent, second.base) == (1, first.base)
    (verdict,) = registry.evaluations("orders", 2)
    decided, *others = verdict.metrics
    assert (decided.metric, decided.verdict) == ("weighted_loss", "better")
    assert {"amount/squared_error", "amount/r2", "chance/log_loss", "chance/auc"} <= {m.metric for m in others}
    parts = {m.metric: m.challenger_value for m in others if m.dataset == decided.dataset}
    weights = [one["weight"] for one in second.plan["made_for"]["objective"]["outputs"]]
    total = weights[0] * parts["amount/squared_error"] + weights[1] * parts["chance/log_loss"]
    assert decided.challenger_value == pytest.approx(total, rel=1e-6)
    known = {score.metric for score in registry.scores("orders")}
    assert {"weighted_loss", "amount/rmse", "chance/accuracy"} <= known
    result = CliRunner().invoke(
        app, ["registry", "report", "orders", "2", "--out", str(here / "page.html")], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    page = (here / "page.html").read_text()
    assert "chance/log_loss" in page
    assert "amount: Residuals" in page


def test_without_a_date_all_rows_count_as_learned(here: Path, registry: ModelRegistry) -> None:
    """That is the safe assumption, and it is said; a second time is refused, and so is a name that is taken."""
    output = adopt(here)
    assert "all rows of orders.csv count as learned" in output
    assert registry.pending("orders") == ()
    for command in ("evergreen retrain orders", "evergreen registry versions orders", "evergreen monitor orders"):
        assert command in output
    assert retrain("orders") == "no new data"
    with pytest.raises(InvalidName, match=r"orders\.py exists"):
        adopt(here)
    (here / "shop" / "models" / "orders.py").unlink()
    (here / "shop" / "models" / "orders.keras").unlink()
    with pytest.raises(InvalidName, match="the registry has versions of it"):
        adopt(here)


def test_from_scratch_begins_with_the_saved_weights(
    here: Path, registry: ModelRegistry, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The builders of the model's file load it, also where the whole model is trained again."""
    adopt(here)
    path = here / "shop" / "models" / "orders.py"
    text = path.read_text().replace("FineTune(stages=", "FromScratch(); _ = FineTune(stages=")
    start, end = text.index("finetune=FromScratch"), text.index("\n", text.index("finetune=FromScratch"))
    text = text[:start] + "finetune=FromScratch()," + text[end:]
    path.write_text(text.replace("FineTune, ", "FromScratch, ").replace("epochs=10", "epochs=0"))
    monkeypatch.delitem(sys.modules, "models.orders")  # another process would read the file anew
    rows(300, 600, flipped=True).write_csv(Path(home.landing) / "orders" / "next.csv")
    retrain("orders")
    assert registry.version("orders", 2).plan["kind"] == "Pretrain"
    first, second = registry.version("orders", 1), registry.version("orders", 2)
    assert (second.base, second.head) == (first.base, first.head)  # no epoch: it is as its builders made it


def test_if_anything_fails_nothing_is_left(
    here: Path, home: Settings, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither files nor a version: bad rows are found in the rehearsal, and a crash at the end is undone, too."""
    bad = pl.concat([rows(0, 100), rows(100, 30).with_columns(size=pl.lit(None, pl.Float64))])
    bad.write_csv(here / "bad.csv")
    for more in (["--data", str(here / "bad.csv"), "--time", "at"], ["--at", "nowhere"]):
        with pytest.raises(EvergreenError) as refused:
            adopt(here, *more)
        assert isinstance(refused.value, TooManyBadRows) == ("--data" in more)
        assert left(here, home) == []
    monkeypatch.setattr("tasks.adopt.promote", lambda *_: 1 // 0)
    monkeypatch.setattr("tasks.adopt.adopt", lambda *_, **__: 1 // 0)
    with pytest.raises((ZeroDivisionError, EvergreenError)):
        adopt(here)
    assert left(here, home) == []
    assert not Path(home.landing, "orders").exists()
