"""What a user writes to bring a model: a ModelSpec and its parts, frozen values that cost nothing to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from errors import InvalidSpec, valid_name
from learning.media import audio, image
from learning.metrics import Cost
from learning.multi_output import MultiOutput, Output
from learning.objectives import Binary, Multiclass, Objective
from learning.plans import FineTune, FromScratch, Pretrain, Replay, Stage
from learning.policies import DriftPolicy, Gate, RetrainPolicy
from learning.regression import Regression
from learning.rules import Rule
from learning.schema import Schema
from learning.source import Source
from learning.window import Window

if TYPE_CHECKING:
    import keras
    import numpy as np

    Columns = dict[str, np.ndarray]
    BuildBase = Callable[[Columns], keras.Model]
    BuildHead = Callable[[tuple[int, ...]], keras.Model]
    Loss = Callable[[keras.Model, Any, Any], Any]

__all__ = [
    "Binary",
    "Cost",
    "DriftPolicy",
    "FineTune",
    "FromScratch",
    "Gate",
    "ModelSpec",
    "MultiOutput",
    "Multiclass",
    "Output",
    "Pretrain",
    "Regression",
    "Replay",
    "RetrainPolicy",
    "Rule",
    "Schema",
    "Source",
    "Stage",
    "Window",
    "audio",
    "image",
]


@dataclass(frozen=True)
class ModelSpec:
    """A model that Evergreen keeps fresh. A version of it is `head(base(row))`.

    Args:
        name: lower-case letters, digits, - and _, a letter first; the file models/NAME.py defines it as `spec`.
        schema: the columns of a row.
        objective: Binary(), Multiclass(n) or Regression(); with words as classes where the target arrives as words.
            MultiOutput((Output(...), Output(...))) of a model with several outputs.
        source: where rows arrive.
        build_base: from a sample of training rows (name to array) to a Keras model that takes a dict of raw
            columns and gives features, preprocessing layers inside.
        build_head: from the shape of one row's features to a Keras model that gives predictions.
        pretrain: how version 1 learns.
        finetune: how challengers learn: from the champion, or from scratch.
        augment: from a sample to a Keras model that takes and gives a dict of raw columns; training rows pass
            through it anew in every epoch, so that nothing is trained on cached features.
        callbacks: a function that gives more Keras callbacks, called anew for every stage.
        loss: what gradient steps minimise, in place of the objective's loss: from the model in training, a batch of its
            inputs and their labels (rows, 1) to a loss for each row. Epochs are chosen, and versions judged, by the
            objective all the same.
    """

    name: str
    schema: Schema
    objective: Objective
    source: Source
    build_base: BuildBase
    build_head: BuildHead
    pretrain: Pretrain = field(default_factory=Pretrain)
    finetune: FineTune | FromScratch = field(default_factory=FineTune)
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    retrain: RetrainPolicy = field(default_factory=RetrainPolicy)
    gate: Gate = field(default_factory=Gate)
    augment: BuildBase | None = None
    callbacks: Callable[[], list[Any]] | None = None
    loss: Loss | None = None

    def __post_init__(self) -> None:
        """Refuse a name that could not be a file, and policies about columns that are not there.

        Raises:
            InvalidName: the name breaks the rule that `errors.valid_name` states.
            InvalidSpec: a policy names a column that the schema does not have, or two parts contradict each other.
        """
        valid_name(self.name)
        object.__setattr__(self, "schema", self.schema.answering(self.objective))
        self._check_outputs()
        if self.loss is not None and isinstance(self.finetune, FineTune) and self.finetune.distill:
            why = "a teacher's part is of predictions, which a loss of your own keeps to itself"
            raise InvalidSpec("loss and FineTune.distill", why, "leave distill out, or the loss")
        if self.loss is not None and self.objective.log:
            why = "what is a logarithm in training is then for your loss alone to say"
            raise InvalidSpec("Regression(log=True) and a loss of your own", why, "leave log=True out, or the loss")
        self._check_class_weights()
        schema = self.schema
        if schema.files and self.source.query:
            fix = "land a table of paths and the files below it"
            raise InvalidSpec(f"files {sorted(schema.files)}", "a query has no folder that they could lie in", fix)
        if self.retrain.on_arrival and self.source.query:
            why = "a database tells nobody of its new rows"
            raise InvalidSpec(
                "RetrainPolicy(on_arrival=True) and a query", why, "give the deployment a closer schedule"
            )
        if schema.window and self.source.corrections == "replace":
            why = "windows that were built of a row would keep what was replaced"
            raise InvalidSpec('Source(corrections="replace") and a Window', why, "leave it out, or the window")
        if schema.window and getattr(self.finetune, "readapt", False):
            why = "what a window is padded with would count as values"
            raise InvalidSpec(
                "FineTune(readapt=True) and a Window", why, "leave it out: build anew, with FromScratch()"
            )
        if schema.time is None and self.source.late == "keep":
            raise InvalidSpec('Source(late="keep")', "rows that bring no time are never late", "leave it out")
        self.gate.check_figures(self.objective, weighted=schema.weight is not None)
        known = {
            "drift.columns": (self.drift.columns, (*schema.numeric, *schema.strings, *schema.targets)),
            "gate.slices": (
                self.gate.slices,
                (*schema.numeric, *schema.categorical, *[schema.target] * bool(schema.classes)),
            ),
        }
        for where, (named, there) in known.items():
            strangers = sorted(set(named) - set(there))
            if strangers:
                raise InvalidSpec(f"{where}: {strangers}", "the schema has none such", f"choose from {sorted(there)}")

    def _check_outputs(self) -> None:
        """Refuse beside several outputs what is there for one only."""
        if not isinstance(self.objective, MultiOutput):
            return
        tuning = self.finetune
        plans = (self.pretrain, getattr(tuning, "pretrain", None), *getattr(tuning, "stages", ()))
        weighed = any(getattr(plan, "class_weight", None) is not None for plan in plans)
        by_class = isinstance(tuning, FineTune) and tuning.replay.balance == "classes"
        again = 'land whole rows again, with Source(corrections="replace"), once all their labels are there'
        for what, there, fix in (
            ("a loss of your own", self.loss is not None, "weigh the outputs' losses, by Output(weight=...)"),
            ("Source(labels=...)", bool(self.source.labels), again),
            ("class_weight", weighed, "let Schema.weight say how much rows count"),
            ('Replay(balance="classes")', by_class, "leave it out"),
        ):
            if there:
                raise InvalidSpec(f"{what} and {self.objective.label_count} outputs", "it is there for one output", fix)
        first = self.objective.targets[0]
        if self.schema.target != first:
            why = f"the first output's is '{first}'"
            raise InvalidSpec(f"Schema(target='{self.schema.target}')", why, "name the same column in both")

    def _check_class_weights(self) -> None:
        """Refuse weights of what are no classes, and beside a loss that says itself how much a row counts."""
        scratch = (self.finetune.pretrain,) if isinstance(self.finetune, FromScratch) else self.finetune.stages
        wanted = [plan.class_weight for plan in (self.pretrain, *scratch) if plan and plan.class_weight is not None]
        if wanted and (self.loss is not None or isinstance(self.objective, Regression)):
            what, fix = ("a loss of your own", "in the loss") if self.loss else ("Regression()", "by Schema.weight")
            raise InvalidSpec(
                f"class_weight and {what}", "there are no classes to weigh", f"say {fix} how much rows count"
            )
        for weights in wanted:
            known: list[str | int] = list(self.objective.names or range(self.objective.class_count or 0))
            strangers = [name for name in weights if name not in known] if isinstance(weights, Mapping) else []
            if strangers:
                fix = f"name some of {known}"
                raise InvalidSpec(f"class_weight of {strangers}", "the target has no such classes", fix)
