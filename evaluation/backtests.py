"""What came of replaying history under several policies: frozen records, and their JSON.

Steps are counted from 0, which is the bootstrap that all policies share. What arrived between step k - 1 and step k
is scored by whichever version was in production then, before step k may learn from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, TypeVar, cast

from errors import InvalidBacktest

R = TypeVar("R")

FORMAT = 1  # of the JSON; another one is refused


@dataclass(frozen=True)
class BlockScore:
    """The live loss on the rows of one time block.

    A block of which a part arrived later, or that two versions served, has several scores.

    Args:
        block: its start.
        rows: labelled rows of it.
        loss: their mean loss, before anything learned from them.
        version: number of the version that served them; 0 of a baseline.
    """

    block: datetime
    rows: int
    loss: float
    version: int


def mean_loss(scores: Sequence[BlockScore]) -> float:
    """Mean loss of all rows; NaN of none."""
    rows = sum(score.rows for score in scores)
    return sum(score.rows * score.loss for score in scores) / rows if rows else float("nan")


@dataclass(frozen=True)
class Step:
    """One run of a policy.

    Args:
        at: the time it was then.
        outcome: how the run ended, as in the registry.
        decision_reason: why, as in the registry.
        version: which took the champion's place in it, by promotion or rollback; None if none did.
        cpu_s: seconds of processor time that it takes when nothing is shared with other policies.
        trained_rows: rows that its trainings learned from, replayed ones and the refit's too; 0 if it trained nothing.
        labels: labelled rows that arrived for it.
    """

    at: datetime
    outcome: str
    decision_reason: str
    version: int | None
    cpu_s: float
    trained_rows: int
    labels: int


@dataclass(frozen=True)
class PolicyResult:
    """What a policy came to.

    Args:
        policy: its name.
        overrides: values of the spec that it replaces, for example {"retrain.every": "30d"}.
        scores: live losses, in the order of arrival.
        steps: its runs, one a step, after the bootstrap.
    """

    policy: str
    overrides: Mapping[str, str]
    scores: tuple[BlockScore, ...]
    steps: tuple[Step, ...]

    @property
    def loss(self) -> float:
        """Mean live loss of all rows.

        Example:
            >>> scores = tuple(BlockScore(datetime(2024, 1, day), day, 0.1 * day, 1) for day in (1, 2))
            >>> round(PolicyResult("never", {}, scores, ()).loss, 3)
            0.167
        """
        return mean_loss(self.scores)


@dataclass(frozen=True)
class Crossed:
    """A version of the line in which every challenger took the place, on what arrived later.

    Args:
        trained_at: the step it was trained at; 0 is the bootstrap.
        arrived_at: the step for which the rows arrived, always a later one.
        rows: labelled rows among them.
        loss: their mean loss.
    """

    trained_at: int
    arrived_at: int
    rows: int
    loss: float


@dataclass(frozen=True)
class Backtest:
    """Policies replayed over the same history.

    Args:
        model: its name.
        present: name of the policy that is the spec's own, as it is now; it is always among them.
        policies: what each came to, in the order they were asked for.
        baselines: live losses, by name, of predicting without a model: "constant" is what was usual in what version 1
            learned from, "last label" what was usual among the labels of the newest arrival before.
        crossed: losses of the versions of the line that always promotes, by when they were trained.
    """

    model: str
    present: str
    policies: tuple[PolicyResult, ...]
    baselines: Mapping[str, tuple[BlockScore, ...]]
    crossed: tuple[Crossed, ...]

    def policy(self, name: str) -> PolicyResult:
        """What a policy came to.

        Raises:
            KeyError: it was not replayed.
        """
        return {one.policy: one for one in self.policies}[name]


def to_json(backtest: Backtest) -> str:
    """A backtest as JSON, from which `from_json` makes an equal one."""
    return json.dumps({"format": FORMAT, **asdict(backtest)}, default=datetime.isoformat)


def from_json(text: str) -> Backtest:
    """The backtest that a JSON text holds.

    Raises:
        InvalidBacktest: it holds none, or one of another format.

    Example:
        >>> empty = Backtest("flights", "present", (), {}, ())
        >>> from_json(to_json(empty)) == empty
        True
    """
    try:
        return _backtest(json.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidBacktest(
            "the text of a backtest", f"it does not hold one of format {FORMAT}", "run `evergreen backtest` again"
        ) from error


def _backtest(found: dict[str, Any]) -> Backtest:
    if found["format"] != FORMAT:
        raise ValueError(found["format"])
    return Backtest(
        model=found["model"],
        present=found["present"],
        policies=tuple(_policy(one) for one in found["policies"]),
        baselines={name: _scores(scores) for name, scores in found["baselines"].items()},
        crossed=tuple(_record(Crossed, one) for one in found["crossed"]),
    )


def _policy(found: dict[str, Any]) -> PolicyResult:
    steps = tuple(_record(Step, one) for one in found["steps"])
    return PolicyResult(found["policy"], found["overrides"], _scores(found["scores"]), steps)


def _scores(found: list[dict[str, Any]]) -> tuple[BlockScore, ...]:
    return tuple(_record(BlockScore, one) for one in found)


def _record(kind: type[R], found: dict[str, Any]) -> R:
    """One frozen record; times come back as times."""
    names = [field.name for field in fields(cast("Any", kind))]
    values = {name: datetime.fromisoformat(found[name]) if name in {"at", "block"} else found[name] for name in names}
    return kind(**values)
