"""What a version was made for, as it is recorded, and what of it a spec that was edited since has changed.

A champion goes on only with the columns that its base takes, the target that it predicts, and the rows that it was
kept from. So a run compares before anything arrives, and says in one sentence what is to be done about a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from learning.builders import builder_texts
from learning.media import media_of, media_record
from learning.multi_output import MultiOutput
from learning.policies import DriftPolicy
from learning.schema import Schema
from learning.window import Window, window_of, window_record
from learning.work_folder import plan_of

if TYPE_CHECKING:
    from learning.spec import ModelSpec

MADE_FOR = "made_for"  # where a version's plan has it
RULES = ("ranges", "allowed")  # what a row may hold when it arrives; a version does not depend on it
FIXED = ("time", "key", "entity", "holdout", "window")  # what says which row is which, which are held out, and which
# rows a window holds, as partitions keep it
LOSS = ("loss", "quantile", "delta")  # of an objective: the unit of a version's figures

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """What a spec has other than a version was made for; each a tuple of words for a sentence, or empty.

    Args:
        fixed: what says which rows are held out; nothing can go on from there.
        answers: target and objective: what is predicted.
        inputs: columns that were added, removed, or are of another kind.
        unfilled: inputs that older rows do not have, and that may not be null.
        builders: functions of the spec whose text is another one.
    """

    fixed: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    unfilled: tuple[str, ...] = ()
    builders: tuple[str, ...] = ()


def made_for(spec: ModelSpec, parent: Record | None = None) -> dict[str, Any]:
    """What a version is recorded to be made for: columns, objective, and the texts of the builders.

    Args:
        spec: the model.
        parent: the same of the version whose base and head it goes on with; None where they were built anew.

    Example:
        >>> from models.flights import spec
        >>> made_for(spec)["schema"]["target"]
        'late'
    """
    texts = builder_texts(spec) if parent is None else dict(parent.get("builders", {}))
    schema = {name: value for name, value in asdict(spec.schema).items() if name not in RULES}
    if not spec.schema.other_targets:  # as versions of one output have it
        del schema["other_targets"]
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in schema.items()}
    plain["tensors"] = {name: [int(size) for size in shape] for name, shape in spec.schema.tensors.items()}
    plain["files"] = {name: media_record(one) for name, one in spec.schema.files.items()}
    plain["window"] = window_record(spec.schema.window)
    return {"schema": plain, "objective": plan_of(spec.objective), "builders": texts}


def schema_of(record: Record) -> Schema:
    """The schema that a version was made for, as far as it depends on it.

    Example:
        >>> from models.flights import spec
        >>> kinds(schema_of(made_for(spec))) == kinds(spec.schema)
        True
    """
    known = {field.name for field in fields(Schema) if field.init}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in record["schema"].items()
        if name in known
    }
    values["tensors"] = {name: tuple(shape) for name, shape in values["tensors"].items()}
    values["files"] = {name: media_of(one) for name, one in record["schema"].get("files", {}).items()}
    values["window"] = window_of(record["schema"].get("window"))
    others = tuple((name, tuple(words)) for name, words in record["schema"].get("other_targets", ()))
    return Schema(**values).named(tuple(record["schema"].get("classes", ())), others)


def spec_for(spec: ModelSpec, record: Record) -> ModelSpec:
    """A spec with the columns, and for the answers, that a version was made for; the very same if it has them."""
    old = schema_of(record)
    if kinds(old) == kinds(spec.schema) and old.targets == spec.schema.targets:
        return spec
    if spec.schema.weight not in old.columns:  # how much a row counts is no matter of the version that is judged by it
        old = replace(old, weight=spec.schema.weight).named(old.classes, old.other_targets)
    source = replace(spec.source, query="", cursor="")  # who only predicts takes nothing from there
    objective = spec.objective
    if isinstance(objective, MultiOutput) and old.targets != spec.schema.targets:
        objective = objective.outputs[0].objective  # any: who only predicts has no labels of another target
    return replace(
        spec, schema=old, objective=objective, source=source, drift=DriftPolicy(), gate=replace(spec.gate, slices=())
    )


def kinds(schema: Schema) -> dict[str, str]:
    """Each input's kind, in words.

    Example:
        >>> kinds(Schema("at", ("id",), "late", numeric=("speed",), tensors={"pixels": (8, 8, 1)}))
        {'speed': 'numeric', 'pixels': 'a tensor of shape (8, 8, 1)'}
    """
    tensors = {name: f"a tensor of shape {tuple(int(n) for n in shape)}" for name, shape in schema.tensors.items()}
    words = {"numeric": schema.numeric, "categorical": schema.categorical, "text": schema.text}
    files = {name: f"files of {one!r}" for name, one in schema.files.items()}
    return {**{name: word for word, names in words.items() for name in names}, **tensors, **files}


def comparable(record: Record | None, spec: ModelSpec) -> bool:
    """Whether a version predicts what the spec asks for by the same loss, so that its losses compare with others'."""
    return not changes(record, spec).answers and loss_of(record) in {(), loss_of(made_for(spec))}


def loss_of(record: Record | None) -> tuple[Any, ...]:
    """The loss in which a version's figures are, with what belongs to it; () where that is not recorded.

    Example:
        >>> loss_of({"objective": {"kind": "Regression", "loss": "huber", "quantile": None, "delta": 2.0}})
        ('huber', None, 2.0)
    """
    objective = (record or {}).get("objective", {})
    return tuple(objective.get(name) for name in LOSS) if "loss" in objective else ()


def changes(record: Record | None, spec: ModelSpec) -> Changes:
    """What a spec has other than a version was made for; nothing of a version of which that is not recorded.

    Args:
        record: of the version, as `made_for` gave it.
        spec: the model as its file says now.
    """
    if not record:
        return Changes()
    old, new = schema_of(record), spec.schema
    before, now = kinds(old), kinds(new)
    added = [name for name in now if name not in before]
    other = [name for name in now if name in before and now[name] != before[name]]
    found = [f"'{name}' was added" for name in added]
    found += [f"'{name}' was removed" for name in before if name not in now]
    found += [f"'{name}' was {before[name]} and is {now[name]}" for name in other]
    answers = [f"the target was '{old.target}' and is '{new.target}'"] * (old.target != new.target)
    objective = tuple(_named(one) for one in (record["objective"], plan_of(spec.objective)))
    answers += ["the objective was {} and is {}".format(*objective)] * (objective[0] != objective[1])
    texts = builder_texts(spec)
    return Changes(
        fixed=tuple(_moved(old, new)),
        answers=tuple(answers),
        inputs=tuple(found),
        unfilled=tuple(name for name in (*added, *other) if name not in new.nullable),
        builders=tuple(name for name, text in record["builders"].items() if texts.get(name, text) != text),
    )


def _named(objective: Record) -> str:
    """An objective as a model's file writes it, as far as it says what is predicted.

    Example:
        >>> _named({"kind": "Multiclass", "classes": ["cat", "dog"], "loss": "..."})
        "Multiclass(classes=('cat', 'dog'))"
        >>> _named({"kind": "Regression", "quantile": 0.9, "log": True})
        'Regression(quantile=0.9, log=True)'
    """
    if "outputs" in objective:
        outputs = (f"{one['name']}={_named(one['objective'])} of '{one['target']}'" for one in objective["outputs"])
        return f"{objective['kind']}({', '.join(outputs)})"
    classes, quantile = objective.get("classes") or "", objective.get("quantile")
    said = [f"classes={tuple(classes)}" if isinstance(classes, list) else str(classes)] * bool(classes)
    said += [f"quantile={quantile}"] * bool(quantile) + ["log=True"] * bool(objective.get("log"))
    return f"{objective['kind']}({', '.join(said)})"


def _moved(old: Schema, new: Schema) -> list[str]:
    pairs = {name: (getattr(old, name), getattr(new, name)) for name in FIXED}
    return [f"{name} was {_shown(was)} and is {_shown(now)}" for name, (was, now) in pairs.items() if was != now]


def _shown(value: str | float | Sequence[str] | Window | None) -> str:
    if isinstance(value, str | float | Window):
        return repr(value)
    return f"({', '.join(map(repr, value))})" if value else "not given"
