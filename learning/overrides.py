"""Policies as a person writes them, "every=30d" or "monthly": other values for a spec's own plans and policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import product
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_type_hints

from errors import InvalidBacktest, did_you_mean
from learning.escalation import escalated
from learning.plans import FromScratch

if TYPE_CHECKING:
    from learning.spec import ModelSpec

PARTS = ("retrain", "gate", "finetune", "drift")  # of a spec, in the order in which a name without one is looked for
PRESENT, ALWAYS = "present", "always"
GATE, FINETUNE = {"gate": "off", "gate.watch": "0"}, "finetune"
EACH_STEP = {"retrain.when": "rows", "retrain.min_rows": "1", "retrain.every": "", "retrain.cooldown": ""}
MONTHLY = {"retrain.every": "30d", "retrain.when": "", "retrain.cooldown": ""}
NAMED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        PRESENT: {},
        "never": {"retrain.every": "100000w", "retrain.when": ""},
        "weekly": EACH_STEP,
        "monthly": MONTHLY,
        "monitoring": {"retrain.when": "performance,drift", "retrain.every": "", "retrain.cooldown": ""},
        "gate=off": GATE,
        "thaw": {FINETUNE: "thaw"},
        "scratch": {FINETUNE: "from scratch"},
        "scratch-monthly": {**MONTHLY, FINETUNE: "from scratch"},
        ALWAYS: {**EACH_STEP, **GATE},
    }
)
WHOLE = {"gate": ("off",), FINETUNE: ("from scratch", "thaw")}  # words for a whole part


@dataclass(frozen=True)
class Policy:
    """What a model is kept fresh by: values that replace those of its spec, by dotted name."""

    name: str
    overrides: Mapping[str, str]

    @property
    def always(self) -> bool:
        """Whether every challenger takes the place, whatever the gate says."""
        return self.overrides.get("gate") == "off"


def policy(text: str) -> Policy:
    """The policy that a text names; several are joined by "+", and the later ones win.

    Raises:
        InvalidBacktest: a part of it is neither a named policy nor `name=value`.

    Example:
        >>> dict(policy("monthly+finetune.replay.share=3").overrides)["finetune.replay.share"]
        '3'
        >>> dict(policy("every=10d").overrides)
        {'retrain.every': '10d'}
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split("+"))):
        found |= NAMED[part] if part in NAMED else dict([_pair(part)])
    return Policy(text, found)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        known = ", ".join(NAMED)
        fix = f'{did_you_mean(name, list(NAMED))}use one of {known}, or a value of the spec, as "retrain.every=30d"'
        raise InvalidBacktest(f"policy {name!r}", "no policy has this name", fix)
    return _dotted(name), value


def _dotted(name: str) -> str:
    """The full name of a value: "every" is retrain.every."""
    from learning.spec import DriftPolicy, FineTune, Gate, RetrainPolicy

    if "." in name or name in WHOLE:
        return name
    kinds = dict(zip(PARTS, (RetrainPolicy, Gate, FineTune, DriftPolicy), strict=True))
    known = {field.name: part for part in reversed(PARTS) for field in fields(kinds[part])}
    if name not in known:
        raise InvalidBacktest(
            f"value {name!r}", "no policy or plan has one of this name", f"{did_you_mean(name, known)}name it in full"
        )
    return f"{known[name]}.{name}"


def grid(texts: Sequence[str]) -> tuple[Policy, ...]:
    """A policy for every combination of values, as of "finetune.replay.share=0,1,3" and "gate.rule=better,proven".

    Example:
        >>> [one.name for one in grid(["finetune.replay.share=0,3", "every=7d"])]
        ['finetune.replay.share=0+every=7d', 'finetune.replay.share=3+every=7d']
    """
    if not texts:
        return ()
    names = [text.partition("=")[0] for text in texts]
    values = [text.partition("=")[2].split(",") for text in texts]
    return tuple(
        policy("+".join(f"{name}={value}" for name, value in zip(names, chosen, strict=True)))
        for chosen in product(*values)
    )


def overridden(spec: ModelSpec, wanted: Policy) -> ModelSpec:
    """A spec under a policy.

    Raises:
        InvalidBacktest: it names a value that the spec does not have, or gives one of another kind.
        InvalidSpec: a value cannot be used.

    Example:
        >>> from models.flights import spec
        >>> overridden(spec, policy("finetune.head.epochs=3+monthly")).finetune.stages[0].epochs
        3
        >>> overridden(spec, policy("monthly")).retrain.when
        ()
    """
    parts: dict[str, dict[str, str]] = {}
    for name, value in wanted.overrides.items():
        part, _, rest = name.partition(".")
        if part not in PARTS:
            raise InvalidBacktest(f"value '{name}'", f"a policy changes {', '.join(PARTS)}", "begin its name so")
        if not rest:
            spec = _whole(spec, part, value)
        else:
            parts.setdefault(part, {})[rest] = value
    return replace(spec, **{part: _replaced(getattr(spec, part), some, part) for part, some in parts.items()})


def in_rounds(spec: ModelSpec, policies: Sequence[Policy]) -> list[Policy]:
    """An order to begin them in: of those that differ only in when they retrain, one in each round.

    Side by side they want the same trainings at the same time, and all but one wait; later on, they find them done.
    What takes longest is begun as soon as the first round is: at the end, nothing else would be left to do beside it.
    That is a policy which checks for drift, and `always`, whose every version is tried on all that comes later.

    Example:
        >>> from models.flights import spec
        >>> asked = map(policy, ["present", "weekly", "monthly", "monitoring", "finetune.replay.share=0"])
        >>> [one.name for one in in_rounds(spec, list(asked))]
        ['present', 'finetune.replay.share=0', 'monitoring', 'weekly', 'monthly']
    """
    alike, found = Counter[str](), list[tuple[tuple[bool, bool, int], Policy]]()
    for one in policies:
        own = overridden(spec, one)
        trains = repr((own.finetune, own.gate, one.always))
        long = one.name == ALWAYS or "drift" in own.retrain.when
        found.append(((alike[trains] > 0, not long, alike[trains]), one))
        alike[trains] += 1
    return [one for _, one in sorted(found, key=itemgetter(0))]


def _whole(spec: ModelSpec, part: str, value: str) -> ModelSpec:
    """A spec with another plan of its own as a whole; that the gate is off is no value of it."""
    if value not in WHOLE.get(part, ()):
        known = " or ".join(f'"{word}"' for word in WHOLE.get(part, ())) or "one of its values, as retrain.every"
        raise InvalidBacktest(f"{part}={value}", "it is none of the words for it as a whole", f"write {known}")
    if value == "from scratch":
        return replace(spec, finetune=FromScratch())
    if value == "thaw":
        return replace(spec, finetune=escalated(replace(spec, retrain=replace(spec.retrain, escalate=("thaw",))), 1))
    return spec


def _replaced(record: Any, values: Mapping[str, str], where: str) -> Any:
    """A frozen record with other values, those of records within it by dotted name."""
    nested: dict[str, dict[str, str]] = {}
    new: dict[str, Any] = {}
    for name, value in values.items():
        head, _, rest = name.partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = value
        else:
            new[head] = _read(record, head, value, where)
    for head, some in nested.items():
        new |= _within(record, head, some, where)
    return replace(record, **new)


def _within(record: Any, head: str, values: Mapping[str, str], where: str) -> dict[str, Any]:
    """What replaces a record within a record; a stage goes by its name, as finetune.head.epochs."""
    stages = getattr(record, "stages", ())
    if head in {stage.name for stage in stages}:
        changed = (_replaced(s, values, f"{where}.{head}") if s.name == head else s for s in stages)
        return {"stages": tuple(changed)}
    inner = getattr(record, head, None)
    if not is_dataclass(inner):
        known = ", ".join(_of(record))
        raise InvalidBacktest(f"'{where}.{head}'", "there is nothing within it", f"name one of {known}")
    return {head: _replaced(inner, values, f"{where}.{head}")}


def _read(record: Any, name: str, text: str, where: str) -> Any:
    """A text as the kind of value that a field holds."""
    from pydantic import TypeAdapter, ValidationError

    kinds = get_type_hints(type(record))
    if name not in kinds or name not in _of(record):
        fix = f"{did_you_mean(name, _of(record))}use one of {', '.join(_of(record))}"
        raise InvalidBacktest(f"'{where}.{name}'", f"{type(record).__name__} has no such value", fix)
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for value in (None, words, text) if text in {"", "none"} else (text, words):
        try:
            return TypeAdapter(kinds[name]).validate_python(value)
        except ValidationError:
            continue
    raise InvalidBacktest(f"{where}.{name}={text}", f"it is no {kinds[name]}", "give a value as the spec would have it")


def _of(record: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def checked(spec: ModelSpec, policies: Sequence[Policy]) -> Iterator[Policy]:
    """The policies, each once, with what the spec is now and what always promotes; refused before anything is done."""
    wanted = {one.name: one for one in (policy(PRESENT), *policies, policy(ALWAYS))}
    for one in wanted.values():
        overridden(spec, one)
        yield one
