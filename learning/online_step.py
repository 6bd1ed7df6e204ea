"""One event after the other, test then train, in one graph whose loop is TensorFlow's own.

The loop takes as many events as it is given. So a burst is the very same computation as its events one by one, and
comes to the same bits; and the graph is traced once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from learning.keras_private import forget_reductions
from learning.losses import keras_loss, parted, single, weighted_mean
from learning.online_call import in_this_thread
from learning.online_chart import Chart
from learning.online_features import BaseFeatures, ColdFeatures, Scales, kept_variable
from learning.online_memory import NOWHERE, nearness, said_by
from learning.precision import Learned, regularisation

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from learning.objectives import Objective
    from learning.online_plan import Online

RECENT = 0.01  # share of the newest event in a recent loss
FAR_OFF = 7.0  # a loss that counts as no larger: one event must not decide who answers


class OnlineStep:
    """A head, its optimizer, the rows it sees again, and the chart of its errors.

    Several may answer: each output of a head that has several, and in a cold start the kept rows themselves. What is
    predicted is their mean, in which each counts by its recent loss (Hedge, Freund and Schapire 1997).

    Args:
        head: its trainable variables learn.
        features: what it learns from.
        objective: says what an error is.
        plan: how it learns.
        unit: what errors of a regression are measured in; None where the head predicts in deviations of the labels.
        metrics: Keras metrics, updated by each event before it is learned.
        weighted: labels have a second column, that says how much a row counts.
    """

    def __init__(  # noqa: PLR0913 - the last three by name
        self,
        head: keras.Model,
        features: BaseFeatures | ColdFeatures,
        objective: Objective,
        plan: Online,
        *,
        unit: float | None = 1.0,
        metrics: Sequence[Any] = (),
        weighted: bool = False,
    ) -> None:
        import keras

        self.head, self.features, self.objective, self.plan = head, features, objective, plan
        self.metrics, self.unit, self.label_columns = list(metrics), unit, 1 + weighted
        self.labels = Scales(1) if unit is None else None
        self.weights = Learned(head.trainable_variables)
        config = {"learning_rate": plan.rate, "global_clipnorm": plan.clip}
        self.optimizer = keras.optimizers.get({"class_name": plan.optimizer, "config": config})
        forget_reductions(self.optimizer)
        self.optimizer.build(self.weights.moved)
        rows = max(plan.replay, 1)
        self.rows = kept_variable(np.zeros((rows, *features.kept_shape), features.kept_dtype), "rows")
        self.targets = kept_variable(np.zeros((rows, self.label_columns), "float32"), "targets")
        # Rows kept since the last break, events ever, events since the last break.
        self.held, self.seen, self.since = (kept_variable(np.int64(0), name) for name in ("held", "seen", "since"))
        self.outputs = int(head.outputs[0].shape[-1])
        self.neighbours = plan.neighbours if isinstance(features, ColdFeatures) and plan.replay else 0
        answers = len(head.outputs) + bool(self.neighbours)
        self.losses = kept_variable(np.zeros(answers, "float32"), "losses")  # recent ones, of each that answers
        self.chart = Chart(plan)
        self.traces = 0

    @property
    def variables(self) -> list[Any]:
        """All that one event hands on to the next."""
        moved = [*self.head.variables, *self.weights.copies.values(), *self.optimizer.variables]
        counted = [self.held, self.seen, self.since, self.losses, *self.chart.variables]
        scales = [*self.features.variables, *(self.labels.variables if self.labels else ())]
        measured = [variable for metric in self.metrics for variable in metric.variables]
        return [*moved, self.rows, self.targets, *counted, *scales, *measured]

    def learn(self, rows: Any, labels: Any) -> NDArray[np.float32]:
        """Predictions of events, each made before it was learned from, shape (events, outputs)."""
        return self._learn(rows, labels)

    def predict(self, rows: Any) -> NDArray[np.float32]:
        """Predictions of rows that nothing is learned from, shape (rows, outputs)."""
        return self._predict(rows)

    def shares(self) -> NDArray[np.float32]:
        """How much each answer counts now."""
        import tensorflow as tf

        return np.asarray(tf.nn.softmax(-self.plan.hedge * self.losses.value))

    def memory(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features of the kept rows that answer, and their labels as predictions; none where they do not."""
        there = self._held_places().numpy() & (self.neighbours > 0)
        rows, values = self.features.features(self.rows.value), self._as_predictions(self.targets.value[:, 0])
        return rows.numpy()[there], values.numpy()[there]

    @cached_property
    def _learn(self) -> Callable[..., NDArray[np.float32]]:
        """The graph of events."""
        import tensorflow as tf

        def learn(rows: Any, labels: tf.Tensor) -> tf.Tensor:
            self.traces += 1
            count = tf.shape(labels)[0]

            def one(place: tf.Tensor, found: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
                row = tf.nest.map_structure(lambda column: column[place : place + 1], rows)
                return place + 1, found.write(place, self._event(row, labels[place : place + 1])[0])

            found = tf.TensorArray("float32", size=count, element_shape=(self.outputs,))
            # One after the other: an event meets the weights that the one before it left.
            return tf.while_loop(lambda place, _: place < count, one, (0, found), parallel_iterations=1)[1].stack()

        signature = [self.features.signature, tf.TensorSpec((None, self.label_columns), "float32")]
        return in_this_thread(tf.function(learn, input_signature=signature, autograph=False).get_concrete_function())

    @cached_property
    def _predict(self) -> Callable[..., NDArray[np.float32]]:
        """The graph of rows that nothing is learned from."""
        import tensorflow as tf

        def predict(rows: Any) -> tf.Tensor:
            return self._mixed(self._said(self.features.features(self.features.kept(rows))))

        signature = [self.features.signature]
        return in_this_thread(tf.function(predict, input_signature=signature, autograph=False).get_concrete_function())

    def _event(self, row: Any, label: tf.Tensor) -> tf.Tensor:
        """Predict, judge, keep, learn; the prediction."""
        import tensorflow as tf

        kept = self.features.kept(row)
        said = self._said(self.features.features(kept))
        answer = self._mixed(said)
        if len(said) > 1:
            losses = [tf.clip_by_value(self._row_losses(label, one)[0], 0.0, FAR_OFF) for one in said]
            self.losses.assign((1 - RECENT) * self.losses.value + RECENT * tf.stack(losses))
        for metric in self.metrics:
            metric.update_state(label[:, :1], answer)
        self._judge(label, answer)
        self.features.learn(row)
        if self.labels:
            self.labels.learn(tf.cast(label[:, :1], "float64"))
        if self.plan.replay:
            self._keep(kept, label)
        self._step(kept, label)
        return answer

    def _judge(self, label: tf.Tensor, answer: tf.Tensor) -> None:
        """Put the event's error on the chart; behind a break, old rows are not seen again, and the rate is up."""
        import tensorflow as tf

        known, calm = self.since.value, 1 - tf.cast(self.chart.add(self._error(label, answer)), "int64")
        # What was kept during the block that broke is of the new world.
        self.held.assign(tf.where(calm > 0, self.held.value, tf.minimum(self.held.value, self.plan.block)))
        self.since.assign(calm * known + 1)
        self.seen.assign_add(1)
        most = tf.where(calm > 0, tf.constant(np.inf, "float64"), tf.constant(self.plan.block, "float64"))
        for scales in (self.features, self.labels):
            if scales:
                scales.forget(most)

    def _step(self, kept: tf.Tensor, label: tf.Tensor) -> None:
        """One gradient step on the new row and some that are kept."""
        import tensorflow as tf

        if self.plan.replay:
            drawn = self._drawn()
            kept = tf.concat([kept, tf.gather(self.rows.value, drawn)], 0)
            label = tf.concat([label, tf.gather(self.targets.value, drawn)], 0)
        inputs = self.features.features(kept)
        settled = tf.sqrt(1 + tf.cast(self.since.value, "float32") / self.plan.settle)
        self.optimizer.learning_rate.assign(tf.maximum(self.plan.floor, self.plan.rate / settled))
        with tf.GradientTape() as tape:
            said = self._heads(inputs, training=True)
            losses = [weighted_mean(self._row_losses(label, one), parted(label)[1]) for one in said]
            loss = tf.add_n(losses) + regularisation(self.head)
        self.weights.step(self.optimizer, tape.gradient(loss, self.weights.tensors))

    def _row_losses(self, label: tf.Tensor, said: tf.Tensor) -> tf.Tensor:
        """The objective's loss of each row; of a regression, of errors in its unit."""
        unit, centre = self._unit_and_centre()
        return keras_loss(self.objective, unit)((label[:, :1] - centre) / unit, (said - centre) / unit)

    def _heads(self, features: tf.Tensor, *, training: bool) -> list[tf.Tensor]:
        """What each output of the head says, in the label's own unit."""
        found = self.head(features, training=training)
        outputs = found if isinstance(found, list | tuple) else [found]
        unit, centre = self._unit_and_centre() if self.labels else (1.0, 0.0)
        return [single(one) * unit + centre for one in outputs]

    def _said(self, features: tf.Tensor) -> list[tf.Tensor]:
        """Every answer, of the head and of the kept rows."""
        return [*self._heads(features, training=False), *([self._remembered(features)] if self.neighbours else [])]

    def _mixed(self, said: list[tf.Tensor]) -> tf.Tensor:
        """The mean of what is said, in which each counts by its recent loss."""
        import tensorflow as tf

        if len(said) == 1:
            return said[0]
        shares = tf.nn.softmax(-self.plan.hedge * self.losses.value)
        return tf.add_n([shares[place] * one for place, one in enumerate(said)])

    def _remembered(self, features: tf.Tensor) -> tf.Tensor:
        """What kept rows say of others that are near."""
        import tensorflow as tf

        rows = self.features.features(self.rows.value)
        # Squared and multiplied in one operation each: within a loop of one thread nobody makes these of others.
        lengths = [tf.reduce_sum(tf.square(one), 1) for one in (features, rows)]
        far = lengths[0][:, None] - 2 * tf.matmul(features, rows, transpose_b=True) + lengths[1]
        far = tf.where(self._held_places(), tf.maximum(far, 0.0), NOWHERE)
        weights = nearness(far, min(self.neighbours, self.rows.shape[0]))
        total = weights @ self._as_predictions(self.targets.value[:, 0])
        return said_by(weights, total, self.prior(), self.outputs)

    def _held_places(self) -> tf.Tensor:
        """Which places hold a row that was kept since the last break."""
        import tensorflow as tf

        age = (self.seen.value - 1 - tf.range(self.rows.shape[0], dtype="int64")) % self.rows.shape[0]
        return age < self.held.value

    def _as_predictions(self, targets: tf.Tensor) -> tf.Tensor:
        """Labels as if they had been predicted."""
        import tensorflow as tf

        one_hot = self.objective.class_count is not None and self.outputs > 1
        return tf.one_hot(tf.cast(targets, "int32"), self.outputs) if one_hot else targets[:, None]

    def prior(self) -> Any:
        """What is said where nothing is known: of a number the mean label, of classes that all are alike."""
        if self.objective.class_count is None:
            return self._unit_and_centre()[1]
        return 1.0 / max(self.outputs, 2)

    def _unit_and_centre(self) -> tuple[Any, Any]:
        import tensorflow as tf

        if not self.labels:
            return self.unit, 0.0
        return tuple(tf.cast(one[0], "float32") for one in (self.labels.deviation(), self.labels.mean.value))

    def _error(self, label: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
        """Of a class whether it is another one, of a number how far it is."""
        import tensorflow as tf

        target, classes = label[0, 0], self.objective.class_count
        if classes is None:
            return tf.abs(answer[0, 0] - target)
        single_output = answer.shape[-1] == 1
        said = tf.cast(answer[0, 0] > 0.5, "float32") if single_output else tf.cast(tf.argmax(answer[0]), "float32")
        return tf.cast(said != target, "float32")

    def _keep(self, kept: tf.Tensor, label: tf.Tensor) -> None:
        """Put the row in the place of the oldest."""
        import tensorflow as tf

        place = tf.reshape((self.seen.value - 1) % self.rows.shape[0], (1, 1))
        self.rows.value.scatter_nd_update(place, kept)
        self.targets.value.scatter_nd_update(place, label)
        self.held.assign(tf.minimum(self.held.value + 1, self.rows.shape[0]))

    def _drawn(self) -> tf.Tensor:
        """Places of rows that are kept: a function of the seed and of how many events there were, so of the state."""
        import tensorflow as tf

        seed = tf.stack([self.seen.value, tf.constant(self.plan.seed, "int64")])
        back = tf.random.stateless_uniform((self.plan.batch - 1,), seed, maxval=self.held.value, dtype="int64")
        return (self.seen.value - 1 - back) % self.rows.shape[0]
