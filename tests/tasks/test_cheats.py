"""Challengers planted to cheat, each rejected by the rule that should catch it, and an honest one that passes.

The world stands still, and the champion has learned half of it, so that an honest challenger is better everywhere. The
cheats know as much, and do harm in one way each.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any, cast

import keras
import numpy as np
import polars as pl
import pytest
from keras import Input, Model, layers
from service_here import ServiceHere

from arrivals.ingest import ingest
from db.artifacts import ArtifactStore
from db.registry import open_registry
from db.verdict_records import EvaluationMetric
from errors import InvalidSpec, TrainingDiverged, UnusableVersion
from evergreen_client.model_files import load_model
from learning.files import save_model
from learning.fresh_service import FreshService, Question
from learning.objectives import Binary
from learning.spec import FineTune, Gate, ModelSpec, Pretrain, Replay, Schema, Source, Stage
from settings import Settings
from tasks.evaluate import NOTHING_LEARNED, PromotionDecision, evaluate
from tasks.find_pending import pending_work
from tasks.finetune import finetune_champion
from tasks.infra_check import InfraCheck, begin_try_out, try_out
from tasks.pretrain import pretrain_on_history
from tasks.promote import promote
from tasks.register_version import Learned, register
from tasks.run import Context

TRUTH = {"x": 2.0, "age": 0.0, "A": -1.0, "B": 1.0, "C": 0.0}  # weights of two numbers and three cities
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS, NEW_DAYS, DAY_ROWS = 28, 14, 500


@keras.saving.register_keras_serializable("cheats")
class Waiting(layers.Layer):
    """A layer that takes its time."""

    def call(self, rows: Any) -> Any:
        """Nothing changes, a quarter of a second later."""
        import tensorflow as tf

        later = tf.py_function(lambda same: sleep(0.25) or same, [rows], rows.dtype)
        later.set_shape(rows.shape)
        return later


def build_base(_sample: Any) -> keras.Model:
    """The numbers as they are, a column for each city."""
    inputs = {name: Input((1,), name=name) for name in ("x", "age")}
    inputs["city"] = Input((1,), name="city", dtype="string")
    city = layers.StringLookup(vocabulary=["A", "B", "C"], num_oov_indices=0, output_mode="one_hot")(inputs["city"])
    return Model(inputs, layers.Concatenate()([inputs["x"], inputs["age"], city]))


def build_head(features: tuple[int, ...] = (5,), *, slow: bool = False) -> keras.Model:
    """A logistic regression, with one more unit that can tell what is long ago."""
    rows = Input(features)
    past = layers.Dense(1, activation="relu", name="past", kernel_initializer="zeros")(rows)
    both = layers.Concatenate()([rows, past])
    return Model(rows, layers.Dense(1, activation="sigmoid", name="answer")(Waiting()(both) if slow else both))


SPEC = ModelSpec(
    name="cheats",
    schema=Schema(time="at", key=("id",), target="y", numeric=("x", "age"), categorical=("city",)),
    objective=Binary(),
    source=Source(path="cheats", settle=0.0),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=1),
    finetune=FineTune(stages=(Stage(epochs=1),), replay=Replay(share=0.0)),
    gate=Gate(slices=("city",)),
)


def arriving(first: int, days: int) -> pl.DataFrame:
    """The rows of some days."""
    random, count = np.random.default_rng(first), days * DAY_ROWS
    times = [START + timedelta(days=first) + timedelta(days=1) * (row / DAY_ROWS) for row in range(count)]
    rows = pl.DataFrame(
        {
            "at": times,
            "id": [f"{first}-{row}" for row in range(count)],
            "x": random.normal(size=count),
            "age": [(time - START) / timedelta(days=DAYS) for time in times],
            "city": random.choice(["A", "B", "C"], count, p=[0.5, 0.47, 0.03]),
        }
    )
    logit = TRUTH["x"] * rows["x"] + rows["city"].replace_strict(TRUTH, return_dtype=pl.Float64)
    return rows.with_columns(y=(pl.Series(random.random(count)) < 1 / (1 + (-logit).exp())).cast(pl.Float64))


def knowing(share: float, *, past: float = 0.0, slow: bool = False, **more: float) -> keras.Model:
    """A head that knows a share of the truth.

    Args:
        share: of the truth.
        past: what it adds to what is long ago, in proportion.
        slow: whether it takes its time.
        more: what it adds to the weights of x, age, A, B or C.
    """
    head = build_head(slow=slow)
    ages = np.zeros((5, 1), "float32")
    ages[1] = -1.0
    head.get_layer("past").set_weights([ages, np.ones(1, "float32")])
    names = ("x", "age", "A", "B", "C")
    weights = [share * TRUTH[name] + more.get(name, 0.0) for name in names]
    head.get_layer("answer").set_weights([np.array([[*weights, past]], "float32").T, np.zeros(1, "float32")])
    return head


def given(learned: Learned, folder: Path, **parts: keras.Model) -> Learned:
    """What was trained, with another base or head."""
    files = learned.trained.files
    for part, model in parts.items():
        digest = save_model(model, folder / f"{part}.keras")
        files = replace(files, **{part: folder / f"{part}.keras", f"{part}_digest": digest})
    return replace(learned, trained=replace(learned.trained, files=files))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Four weeks that a champion has half learned, and two that are pending."""
    home = Settings(home=tmp_path_factory.mktemp("cheats"))
    landing = Path(home.landing) / SPEC.source.path
    landing.mkdir(parents=True)
    with opened(home) as context:
        land(context, landing / "1.parquet", arriving(0, DAYS))
        learned = given(pretrain_on_history(context, 1), home.home, head=knowing(0.5))
        first = register(context, 1, learned)
        assert promote(context, evaluate(context, 1, first), first)
        land(context, landing / "2.parquet", arriving(DAYS, NEW_DAYS))
        finetune_champion(context, 2, pending_work(context))  # what is finished is not repeated in the copies
    return home


@contextmanager
def opened(home: Settings) -> Iterator[Context]:
    """What the steps work with."""
    with open_registry(home.database_url) as registry:
        yield Context(SPEC, registry, ArtifactStore(home.artifact_root, home.cache), home)


def land(context: Context, path: Path, rows: pl.DataFrame) -> None:
    """Let rows arrive, take them, and begin a run."""
    rows.write_parquet(path)
    ingest(SPEC, context.registry, context.store, landing=context.settings.landing, cache=context.settings.cache)
    context.registry.start_run(SPEC.name, trigger="test")


@pytest.fixture
def context(begun: Settings, home: Settings) -> Iterator[Context]:
    """A copy of that."""
    shutil.copytree(begun.home, home.home)
    with opened(home) as context:
        yield context


def on_trial(context: Context, service: ServiceHere | None = None, **parts: keras.Model) -> PromotionDecision:
    """Plant a challenger with other parts than those that were trained, and let the gate judge it, and try it out."""
    pending = pending_work(context)
    learned = finetune_champion(context, 2, pending)
    number = register(context, 2, given(learned, context.settings.home, **parts))
    decision = evaluate(context, 2, number, pending)
    if not decision.accepted:
        return decision
    check = InfraCheck(context, cast("FreshService", service or ServiceHere([])))
    begin_try_out(context, number, decision.champion, check)
    slow = try_out(context, 2, number, decision.champion, check)
    return replace(decision, accepted=not slow, reason=slow or decision.reason)


def figure(context: Context, decision: PromotionDecision, *, part: str = "") -> EvaluationMetric:
    """The figure that decided, or that of a slice."""
    metrics = context.registry.evaluations(SPEC.name, decision.challenger)[0].metrics
    return next(m for m in metrics if m.slice == part and m.metric == "log_loss")


def test_an_honest_challenger_passes(context: Context) -> None:
    """It knows more of the world than the champion, and does no harm."""
    decision = on_trial(context, head=knowing(0.9))
    assert decision.accepted, decision.reason


def test_whoever_learned_nothing_is_not_judged(context: Context) -> None:
    """The champion's own weights are no challenger; the registry has that verdict, and no figure."""
    same = load_model(context.model_files(context.registry.champion(SPEC.name)).head)
    decision = on_trial(context, head=same)
    assert (decision.accepted, decision.reason) == (False, NOTHING_LEARNED)
    [evaluation] = context.registry.evaluations(SPEC.name, decision.challenger)
    assert (evaluation.passed, evaluation.metrics, evaluation.champion) == (False, (), 1)


@pytest.mark.slow
def test_shuffled_labels_teach_nothing(context: Context) -> None:
    """What learned from them is shown to be worse on what is new."""
    rows = arriving(DAYS, NEW_DAYS)
    features = np.column_stack([rows["x"], rows["age"], *(rows["city"] == city for city in "ABC")]).astype("float32")
    head = build_head()
    head.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    head.fit(features, np.random.default_rng(0).permutation(rows["y"].to_numpy()), epochs=2, verbose=0)
    decision = on_trial(context, head=head)
    assert not decision.accepted
    assert figure(context, decision).verdict == "worse"


def test_a_constant_is_worse(context: Context) -> None:
    """It forgets nothing that anybody would miss, and knows nothing of what is new."""
    decision = on_trial(context, head=knowing(0.0))
    assert not decision.accepted
    assert figure(context, decision).verdict == "worse"


def test_harm_to_one_slice_is_found(context: Context) -> None:
    """A twenty-fifth of all rows pay for what the others gain."""
    decision = on_trial(context, head=knowing(0.9, C=3.0))
    assert not decision.accepted
    assert (figure(context, decision).verdict, figure(context, decision, part="city=C").verdict) == ("better", "harmed")
    assert "city=C" in decision.reason


def test_forgetting_is_found_while_the_world_stands_still(context: Context) -> None:
    """The older a row, the worse; what is new is better than ever. No slice is looked at, as they have old rows too."""
    decision = on_trial(replace(context, spec=replace(SPEC, gate=Gate())), head=knowing(0.9, past=4.0))
    assert not decision.accepted
    assert figure(context, decision).verdict == "better"
    assert decision.reason.startswith("forgotten on 2026-01-01 to ")


def test_weights_that_are_not_finite_are_in_no_file(context: Context) -> None:
    """So they are in no version either."""
    with pytest.raises(TrainingDiverged, match="1 of its 6 values are not finite"):
        on_trial(context, head=knowing(0.9, x=float("nan")))
    assert [version.number for version in context.registry.versions(SPEC.name)] == [1]


@pytest.mark.slow
def test_few_rows_without_a_prediction_are_enough(context: Context) -> None:
    """All weights are finite; of a large x in the last days, what comes out is infinity minus infinity."""
    decision = on_trial(context, head=knowing(0.9, x=2.5e38, age=-2.5e38))
    assert not decision.accepted
    assert "no prediction (NaN or infinite)" in decision.reason


@pytest.mark.slow
def test_ten_times_slower_is_noticed(context: Context) -> None:
    """It answers as well as the honest one, and would let a service wait."""
    decision = on_trial(context, head=knowing(0.9, slow=True))
    assert not decision.accepted
    assert decision.reason.startswith("too slow: in a fresh process, it takes ")
    assert "times as long as the champion" in decision.reason


@pytest.mark.slow
def test_a_file_that_is_damaged_later_is_found_by_a_fresh_process(context: Context) -> None:
    """This process has read it already."""

    class Damaging(ServiceHere):
        """Asked while somebody damages the head's file."""

        def ask(self, question: Question) -> None:
            """Cut it."""
            path = Path(context.settings.artifact_root) / question.head.uri
            path.write_bytes(path.read_bytes()[:-10])
            super().ask(question)

    with pytest.raises(UnusableVersion, match="SHA-256"):
        on_trial(context, Damaging([]), head=knowing(0.9))
    assert not context.registry.evaluations(SPEC.name, 2)[-1].passed


def test_another_signature_is_refused_before_anything_is_judged(context: Context) -> None:
    """A base that takes another column."""
    inputs = {name: Input((1,), name=name) for name in ("x", "age", "weight")}
    inputs["city"] = Input((1,), name="city", dtype="string")
    base = Model(inputs, layers.Dense(5)(layers.Concatenate()([inputs[name] for name in ("x", "age", "weight")])))
    with pytest.raises(InvalidSpec, match="a base with the inputs"):
        on_trial(context, base=base, head=knowing(0.9))
    assert context.registry.champion(SPEC.name).number == 1


def test_who_learned_the_proving_window_proves_nothing_by_it(context: Context) -> None:
    """Its lineage says so, however good its figures are."""
    pending = pending_work(context)
    learned = finetune_champion(context, 2, replace(pending, prove_from=None))
    number = register(context, 2, given(learned, context.settings.home, head=knowing(0.9)))
    decision = evaluate(context, 2, number, pending)
    assert not decision.accepted
    assert "it learned from 1 partition of the proving window" in decision.reason
