"""Python for a newcomer's own data, from what its columns seem to be: a Schema to paste, or a whole models/NAME.py."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from cli.drafting.fitting import Fit
from cli.drafting.guess import Guess
from cli.drafting.outputs import Fresh
from errors import InvalidSpec
from evergreen_client.shown import UNSEEN, plain
from learning.schema import Schema
from learning.split import INPUTS

TEMPLATE = Path(__file__).with_name("model.py.txt")
IMPORTED = ("FineTune", "ModelSpec", "Pretrain", "Replay", "Schema", "Source", "Stage")
LINE = 90
ADOPTED = Path(__file__).with_name("adopted.py.txt")
HEAD_SCALE, WHOLE_SCALE = 0.3, 0.1  # of the pretraining rate: the more of a model learns, the slower
# Of rare events accuracy and most of the loss are those of all the other rows.
GATE = (
    '    gate=Gate(metric="pr_auc"),  # how events rank among all rows; or what alarms cost: Cost(((0, 1), (9, 0)))\n'
)
FUTURE = "from __future__"
PRETRAIN = ("epochs=15", "steps=60", "more=15", "learning_rate=2e-3", "patience=5", 'optimizer="adamw"')
# The last epochs, at a falling rate, are mostly the best, and too few rare events choose to see it coming; each of the
# events is met once an epoch.
RARE = {"epochs=15": "epochs=30", "patience=5": "patience=30"}
PATIENT = "  # a class is rare: by the few rows of it, epochs look worse by chance"
BATCHES = ((1_000, 32), (50_000, 128), (float("inf"), 256))  # rows of the file, and of a gradient step


def schema_source(guess: Guess) -> str:
    """A Schema, with a comment wherever a person should look, and a Source where the file needs one to be read."""
    names = ("time", "key", "target", "numeric", "categorical", "tensors", "nullable", "text")
    fields = {name: getattr(guess.schema, name) for name in names}
    if guess.schema.holdout != Schema.holdout:
        fields["holdout"] = guess.schema.holdout
    lines = [f"    {name}={value!r}," for name, value in fields.items() if value or name == "time"]
    doubts = ["# " + plain(doubt) for doubt in guess.doubts]
    options = guess.written.options(guess.schema.time)
    source = [f'source = Source("NAME"{options})  # NAME: where rows arrive'] if options else []
    return "\n".join([*doubts, "schema = Schema(", *lines, ")", *source])


def model_source(guess: Guess, name: str, origin: str) -> str:
    """The text of models/NAME.py, drafted from the file `origin`.

    Raises:
        InvalidSpec: all inputs are tensors, for which there is no base that usually fits.
    """
    schema = guess.schema
    if not (schema.numeric or schema.strings):
        tensors = ", ".join(schema.tensors)
        raise InvalidSpec(f"inputs {tensors}", "they are all tensors", "start from models/digits.py instead of a draft")
    kind, _, classes = guess.objective.removesuffix(")").partition("(")
    width = "len(spec.objective.names)" if classes.startswith("classes=") else classes
    outputs = {"Binary": '1, activation="sigmoid"', "Regression": "1"}
    return Template(_template(schema)).substitute(
        name=name,
        origin=_quoted(origin),
        imported=", ".join(sorted([*IMPORTED, "RetrainPolicy", kind, *["Gate"] * guess.rare_event])),
        objective=guess.objective,
        gate=GATE * guess.rare_event,
        outputs=outputs.get(kind, f'{width}, activation="softmax"'),
        time=_quoted(schema.time) if schema.time else "None",
        key=_written(schema.key),
        target=_quoted(schema.target),
        numeric=_written(schema.numeric),
        categorical=_written(schema.categorical),
        nullable=_written(schema.nullable),
        text=f"    text={_written(schema.text)},\n" if schema.text else "",
        holdout=f"    holdout={schema.holdout},\n" if schema.holdout != Schema.holdout else "",
        ignored=_written(left_out(guess)),
        written=guess.written.options(schema.time),
        pretrain=_pretrain(guess),
    )


def _pretrain(guess: Guess) -> str:
    """How version 1 learns, as a formatter writes it: on one line, or each argument on its own."""
    batch = next(batch for most, batch in BATCHES if guess.rows < most)
    arguments = [*PRETRAIN[:4], f"batch_size={batch}", *PRETRAIN[4:]]
    if not guess.class_weight:
        return f"Pretrain({', '.join(arguments)})"
    arguments = [*(RARE.get(one, one) for one in arguments), f"class_weight={guess.class_weight}"]
    lines = (f"        {one},{PATIENT if one.startswith('patience') else ''}\n" for one in arguments)
    return "".join(["Pretrain(\n", *lines, "    )"])


@dataclass(frozen=True)
class AdoptedModel:
    """What the file of an adopted model says.

    Args:
        name: the model's.
        origin: name of the file that it was saved in.
        fit: the columns that fill its inputs.
        objective: as Python.
        at: where it is cut.
        output: the output that is kept fresh, or the names of several; "" where there is one only.
        code: Python that registers its own layers, or "".
        kinds: names that the objective takes from learning.spec; by default its first word.
    """

    name: str
    origin: str
    fit: Fit
    objective: str
    at: str
    output: str | tuple[str, ...] = ""
    code: str = ""
    kinds: Iterable[str] = ()


def adopted_source(model: AdoptedModel) -> str:
    """The text of models/NAME.py of a model that was trained elsewhere."""
    fit, schema = model.fit, model.fit.schema
    kinds = set(model.kinds) or {model.objective.partition("(")[0]}
    code = "".join(line for line in model.code.splitlines(keepends=True) if not line.startswith(FUTURE))
    return Template(ADOPTED.read_text(encoding="utf-8")).substitute(
        name=model.name,
        origin=plain(model.origin).replace("\\", "/").replace('"', "'"),
        code=f"\n{code.strip()}\n" if code else "",
        imported=_imported({*IMPORTED, *kinds}),
        objective=model.objective,
        time=_quoted(schema.time) if schema.time else "None",
        key=_written(schema.key),
        target=_quoted(schema.target),
        numeric=_written(schema.numeric),
        categorical=_written(schema.categorical),
        tensors=_mapping({name: str(tuple(shape)) for name, shape in schema.tensors.items()}),
        nullable=_written(schema.nullable),
        at=_quoted(model.at),
        inputs=_mapping({name: _written(columns) for name, columns in fit.inputs.items()}),
        output=_quoted(model.output) if isinstance(model.output, str) else _written(model.output),
        ignored=_written(fit.ignored),
        written=fit.written.options(schema.time),
        scale=WHOLE_SCALE if model.at == INPUTS else HEAD_SCALE,
    )


def objective_source(outputs: Sequence[Fresh]) -> str:
    """The objective of all outputs, as Python inside a call that is indented by four."""
    if len(outputs) == 1:
        return outputs[0].objective
    each = (
        f"Output({_quoted(one.name)}, {one.objective}, target={_quoted(one.target)}, weight={one.weight:g})"
        for one in outputs
    )
    lines = "".join(f"            {one},\n" for one in each)
    return f"MultiOutput(\n        (\n{lines}        )\n    )"


def _imported(names: Iterable[str]) -> str:
    """Names behind an import, as a formatter writes them."""
    line = ", ".join(sorted(names))
    return line if len(line) <= LINE else "(\n" + "".join(f"    {name},\n" for name in sorted(names)) + ")"


def _template(schema: Schema) -> str:
    """The draft's text, without the paragraphs on kinds of columns that there are none of."""
    kinds = {"    # Numbers:": schema.numeric, "    # Categories:": schema.categorical, "    # Text:": schema.text}
    unwanted = tuple(start for start, columns in kinds.items() if not columns)
    paragraphs = TEMPLATE.read_text(encoding="utf-8").split("\n\n")
    return "\n\n".join(paragraph for paragraph in paragraphs if not (unwanted and paragraph.startswith(unwanted)))


def left_out(guess: Guess) -> tuple[str, ...]:
    """Columns that a drafted model does not use: a base for tensors is for a person to write."""
    return (*guess.ignored, *guess.schema.tensors)


def _quoted(name: str) -> str:
    """A name as data: whatever it holds, Python reads the very same text."""
    return UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(name, ensure_ascii=False))


def _mapping(values: Mapping[str, str]) -> str:
    """A dict of values that are Python already."""
    return "{" + ", ".join(f"{_quoted(name)}: {value}" for name, value in values.items()) + "}"


def _written(names: Iterable[str]) -> str:
    """A tuple as a formatter writes it, inside a call that is indented by four."""
    quoted = [_quoted(name) for name in names]
    line = f"({quoted[0]},)" if len(quoted) == 1 else f"({', '.join(quoted)})"
    if len(line) <= LINE:
        return line
    return "(\n" + "".join(f"        {name},\n" for name in quoted) + "    )"
