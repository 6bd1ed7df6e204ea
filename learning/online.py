"""A model that learns from one event at a time: test, then train.

`OnlineLearner(spec, files)` goes on from a version: its base stays frozen, and its head learns from each event.
`OnlineLearner(spec)` is a cold start: no row has been seen yet, so scales and vocabulary follow the rows as they come,
and the spec's head learns on features of numbers and categories (learning/online_features.py).
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec, SchemaMismatch, TrainingDiverged
from evergreen_client.model_files import load_model
from learning.features import FrozenBase
from learning.first_answers import unit_of
from learning.keras_private import own_random_numbers, set_seed
from learning.multi_output import MultiOutput
from learning.online_features import BaseFeatures, ColdFeatures
from learning.online_plan import Online
from learning.online_rows import ColdRows, Row, label_of, packed, weight_of
from learning.online_scores import Score, Scores
from learning.online_step import OnlineStep
from learning.plans import FineTune

if TYPE_CHECKING:
    import keras

    from learning.files import ModelFiles, Trained
    from learning.spec import ModelSpec

Predictions = NDArray[np.float32]
AT_ONCE = 1024  # rows: each is compared with every kept row


class OnlineLearner:
    """A head that learns from events one by one, or in bursts, which come to the very same bits.

    Args:
        spec: the model.
        files: the version to go on from; None is a cold start.
        plan: how it learns; by default as `usual_plan` says.
        metrics: Keras metrics of predictions, updated before each event is learned.

    Raises:
        InvalidSpec: the spec has a window or a loss of its own, or a cold start has inputs that are neither numbers
            nor categories.

    One event, from a cold start::

        learner = OnlineLearner(spec)
        learner.learn_one({"speed": 31.0, "city": "Rome"}, 1)  # array([0.5], dtype=float32): what was predicted before
        learner.predict_one({"speed": 31.0, "city": "Rome"})  # array([0.71], dtype=float32)
    """

    def __init__(
        self,
        spec: ModelSpec,
        files: ModelFiles | None = None,
        plan: Online | None = None,
        *,
        metrics: Sequence[Any] = (),
    ) -> None:
        _refuse(spec)
        self.spec, self.files, self.plan = spec, files, plan or usual_plan(spec, files)
        self.cold = ColdRows(spec.schema, self.plan.slots) if files is None else None
        self.scores = Scores(spec.objective, self.plan.window)
        with own_random_numbers():
            set_seed(self.plan.seed)
            self.step = self._step(metrics)

    def _step(self, metrics: Sequence[Any]) -> OnlineStep:
        spec, plan = self.spec, self.plan
        unit: float | None
        features: BaseFeatures | ColdFeatures
        if self.files is None:
            features = ColdFeatures(spec.schema, plan)
            head, unit = spec.build_head(features.shape), None if spec.objective.class_count is None else 1.0
        else:
            head, features = load_model(self.files.head), BaseFeatures(_base(spec, self.files), spec.schema)
            unit = unit_of(spec.objective, head)
        weighted = spec.schema.weight is not None
        objective = spec.objective
        if objective.class_count is not None:
            # By log loss, whatever a retrain learns by: online no row is held back that would put chances right.
            objective = replace(objective, loss=type(objective).loss)
        return OnlineStep(head, features, objective, plan, unit=unit, metrics=metrics, weighted=weighted)

    def predict_one(self, row: Row) -> Predictions:
        """What is predicted of a row, shape (outputs,); nothing is learned.

        Args:
            row: input name to value; further names are left alone. One that is missing, None or NaN is imputed if the
                schema says that it is nullable.

        Raises:
            SchemaMismatch: the schema refuses the row.
        """
        found: Predictions = self.predict([row])[0]
        return found

    def predict(self, rows: Sequence[Row]) -> Predictions:
        """What is predicted of rows, shape (rows, outputs).

        Raises:
            SchemaMismatch: the schema refuses one of them.
        """
        starts = range(0, len(rows), AT_ONCE)
        found = [self.step.predict(self._inputs(rows[start : start + AT_ONCE], learn=False)) for start in starts]
        return np.concatenate([np.empty((0, self.step.outputs), "float32"), *found])

    def learn_one(self, row: Row, label: Any) -> Predictions:
        """Learn from an event; what was predicted of it before, shape (outputs,).

        Raises:
            SchemaMismatch: the schema refuses the row or its label; nothing was learned.
            TrainingDiverged: a prediction is no finite number any more; go on from an earlier state.
        """
        found: Predictions = self.partial_fit([row], [label])[0]
        return found

    def partial_fit(self, rows: Sequence[Row], labels: Sequence[Any]) -> Predictions:
        """Learn from events in their order, in one go; what was predicted of each before, shape (events, outputs).

        Raises:
            SchemaMismatch: the schema refuses a row or a label; nothing was learned from any.
            TrainingDiverged: a prediction is no finite number any more; go on from an earlier state. Its `before` has
                the predictions of the events before that one.
        """
        if len(rows) != len(labels):
            raise SchemaMismatch(f"{len(rows)} rows", f"there are {len(labels)} labels", "send one for each row")
        if not len(rows):
            return np.empty((0, self.step.outputs), "float32")
        targets = self._labels(rows, labels)
        found = self.step.learn(self._inputs(rows, learn=True), targets.astype("float32"))
        self.scores.add(targets[:, 0], found)
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            why = "a prediction is no finite number any more"
            error = TrainingDiverged("an online learner", why, "restore an earlier state, with a lower rate")
            error.before = found[: int(finite.argmin())]
            raise error
        return found

    @property
    def score(self) -> Score:
        """How predictions fared, each made before its event was learned from."""
        chart = self.step.chart
        metrics = {metric.name: float(metric.result()) for metric in self.step.metrics}
        scores = self.scores
        return Score(
            scores.rows, scores.loss, scores.recent_rows, scores.recent(), metrics, chart.breaks, chart.broken_at
        )

    def state(self) -> bytes:
        """All that the next event depends on, to the last bit: `restore` goes on as if nothing had happened."""
        targets, predictions = self.scores.arrays()
        arrays = {f"variable{place}": one.numpy() for place, one in enumerate(self.step.variables)}
        arrays |= {"targets": targets, "predictions": predictions}
        words = {} if self.cold is None else {name: one.pairs() for name, one in self.cold.words.items()}
        facts = {
            "made_for": _made_for(self.spec, self.files, self.plan),
            "shapes": self._shapes(),
            "words": words,
            "rows": self.scores.rows,
            "total": self.scores.total,
        }
        file = io.BytesIO()
        np.savez(file, facts=np.array(json.dumps(facts)), **arrays)
        return file.getvalue()

    @classmethod
    def restore(
        cls,
        state: bytes,
        spec: ModelSpec,
        files: ModelFiles | None = None,
        plan: Online | None = None,
        *,
        metrics: Sequence[Any] = (),
    ) -> Self:
        """A learner that goes on from a state, with all that it was made of.

        Raises:
            InvalidSpec: the state is of another model, version or plan.
        """
        plan = plan or usual_plan(spec, files)
        with np.load(io.BytesIO(state), allow_pickle=False) as saved:
            facts = json.loads(str(saved["facts"]))
            why = "it was kept by a learner of another model, version or plan"
            refusal = InvalidSpec("an online learner's state", why, "give the same ones, or begin anew")
            if facts["made_for"] != _made_for(spec, files, plan):
                raise refusal
            learner = cls(spec, files, plan, metrics=metrics)
            if facts["shapes"] != learner._shapes():
                raise refusal
            for place, variable in enumerate(learner.step.variables):
                variable.assign(saved[f"variable{place}"])
            recent = zip(saved["targets"], saved["predictions"], strict=True)
            learner.scores.restore(facts["rows"], facts["total"], recent)
        for name, words in learner.cold.words.items() if learner.cold else ():
            words.restore(facts["words"][name])
        return learner

    def freeze(self, work: Path) -> Trained:
        """The model as it is now, as base and head of a version.

        Args:
            work: a folder; its files are replaced.

        Raises:
            TrainingDiverged: a weight is not finite.
        """
        from learning.online_frozen import frozen

        return frozen(self, work)

    def _inputs(self, rows: Sequence[Row], *, learn: bool) -> Any:
        import tensorflow as tf

        if self.cold is not None:
            return tf.constant(self.cold.numbers(rows, learn=learn))
        return {name: tf.constant(one) for name, one in packed(self.spec.schema, rows).items()}

    def _labels(self, rows: Sequence[Row], labels: Sequence[Any]) -> NDArray[np.float64]:
        """Labels, and beside them how much each row counts where the schema says so."""
        schema, objective = self.spec.schema, self.spec.objective
        found = [[label_of(schema, objective, label)] for label in labels]
        for one, row in zip(found if schema.weight else (), rows, strict=False):
            one.append(weight_of(schema, row))
        return np.array(found, "float64")

    def _shapes(self) -> list[Any]:
        """Of everything in a state: a head of other layers, or other metrics, would have others."""
        return [[*one.shape, str(one.dtype)] for one in self.step.variables]


def _made_for(spec: ModelSpec, files: ModelFiles | None, plan: Online) -> dict[str, Any]:
    """What a state is good for, as JSON gives it back."""
    return {
        "inputs": list(spec.schema.taken),
        "objective": repr(spec.objective),
        "plan": asdict(plan),
        "base": files.base_digest if files else None,
    }


def usual_plan(spec: ModelSpec, files: ModelFiles | None) -> Online:
    """How a learner learns that was not told: from a version, by optimizer and rate of the first fine-tuning stage."""
    if files is None or not isinstance(spec.finetune, FineTune):
        return Online()
    stage = spec.finetune.stages[0]
    rate = stage.rate(spec.pretrain)
    return Online(optimizer=stage.optimizer, rate=rate, floor=rate / 10)


def _base(spec: ModelSpec, files: ModelFiles) -> keras.Model:
    """A version's base, if it takes the schema's columns; raises InvalidSpec."""
    return FrozenBase(files.base, files.base_digest, spec.schema).model


def _refuse(spec: ModelSpec) -> None:
    """Refuse what one event at a time cannot be learned of; raises InvalidSpec."""
    if spec.schema.window:
        fix = "retrain it, as `evergreen retrain` does"
        raise InvalidSpec("a Schema with a window, online", "a row alone is no window", fix)
    if isinstance(spec.objective, MultiOutput):
        fix = "retrain it, as `evergreen retrain` does"
        raise InvalidSpec(f"{len(spec.objective.outputs)} outputs, online", "an event has one label", fix)
    if spec.objective.log:
        fix = "retrain it, or leave log=True out"
        raise InvalidSpec("Regression(log=True), online", "events are learned in the target's own unit", fix)
    if spec.loss is not None:
        fix = "leave ModelSpec.loss out, or retrain"
        raise InvalidSpec("a loss of your own, online", "events are judged by the objective", fix)
