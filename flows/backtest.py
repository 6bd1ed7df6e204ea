"""Go through a model's past once more under several policies, by the very flows that keep it fresh.

The flows run as plain functions here, at the time that it was then: each policy has a registry of its own, and what
arrived is recorded in it step by step. Files, features and whatever two policies do alike are shared.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from clock import as_of
from db.records import VersionRecord
from db.registry import open_registry
from db.snapshots import restore_snapshot, save_snapshot
from errors import EvergreenError, InvalidBacktest
from evaluation.backtests import Backtest, BlockScore, Crossed, PolicyResult
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from learning.catalog import load_spec
from learning.digests import json_digest
from learning.features import checked_once
from learning.files import locked
from learning.overrides import ALWAYS, PRESENT, Policy, checked, overridden
from learning.prediction import predict
from learning.spec import ModelSpec
from learning.startup import after_large_import, start_tensorflow
from learning.work_folder import plan_of
from tasks.history import Asked, History, prepared
from tasks.lived import baselines, crossed, policy_result
from tasks.past import Past, PastStore
from tasks.run import Context, given

FIRST, REGISTRY = "first.db", "registry.db"


@dataclass(frozen=True)
class Lived:
    """What came of one policy; of some, what all are compared with, too."""

    result: PolicyResult
    baselines: Mapping[str, tuple[BlockScore, ...]] = field(default_factory=dict)
    crossed: tuple[Crossed, ...] = ()


class Mapped(Protocol):
    """Lives through policies, wherever that is, and gives what came of each in their order."""

    def __call__(self, history: History, policies: Sequence[Policy], /) -> Iterable[Lived]:
        """What came of each policy."""


def backtest(context: Context, asked: Asked, mapped: Mapped) -> Backtest:
    """Go through a model's past under some policies.

    Args:
        context: the model's, of the present.
        asked: the policies and the time.
        mapped: lives through policies: `one_by_one(spec)`, or `cli.backtest.side_by_side`.

    Raises:
        InvalidBacktest: nothing has arrived in that time, or version 1 is refused.
    """
    policies = tuple(checked(context.spec, asked.policies))
    history = prepared(context, asked)
    lived = list(mapped(history, policies))
    found = {one.result.policy: one for one in lived}
    results = tuple(one.result for one in lived)
    return Backtest(history.model, PRESENT, results, found[PRESENT].baselines, found[ALWAYS].crossed)


def one_by_one(spec: ModelSpec) -> Mapped:
    """Policies one after the other, in this process."""
    return lambda history, policies: map(partial(live, spec, history), policies)


@contextmanager
def opened(spec: ModelSpec, history: History, database: Path, *, always: bool = False) -> Iterator[Context]:
    """What a policy's runs work with: a registry of its own, and what all share."""
    settings = history.settings.model_copy(update={"database_url": f"sqlite:///{database}"})
    past = Past(history.came.arrivals, history.settings.home / "shared", always=always)
    with open_registry(settings.database_url, alone=True) as registry, checked_once():
        yield Context(spec, registry, PastStore(settings.artifact_root, settings.cache), settings, past)


def live_by_name(history: History, policy: Policy) -> Lived:
    """The same, in a process of its own, which reads the model's file itself."""
    try:
        return live(load_spec(history.model, history.settings.model_folders), history, policy)
    finally:
        give_back_memory()


def give_back_memory() -> None:
    """Let the operating system have the memory that is free, where the C library is GNU's.

    Where psutil is installed, loky takes what grows for a leak, and begins the next policy in a new process, which
    imports TensorFlow again.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def first_version(spec: ModelSpec, history: History) -> Path:
    """A registry in which version 1 has learned what was there at the start, made once.

    Its base's features of everything that comes are computed here, so that no policy has to pay for them.

    Raises:
        InvalidBacktest: it is not promoted.
    """
    snapshot, database = history.period / FIRST, history.period / "first" / REGISTRY
    database.parent.mkdir(parents=True, exist_ok=True)
    with locked(history.period / "first.lock"):
        if snapshot.exists():
            return snapshot
        for left in database.parent.glob(f"{REGISTRY}*"):  # by a process that was killed
            left.unlink()
        with opened(spec, history, database) as context:
            champion = made_then(context, history.came.steps.start)
            rows = history.came.files([one.partition for one in history.came.arrivals])
            predict(spec, context.model_files(champion), rows, split="all", cache=context.settings.cache)
            save_snapshot(database, snapshot)
    return snapshot


def made_then(context: Context, moment: datetime) -> VersionRecord:
    """The version 1 that a bootstrap at a moment puts in production; raises InvalidBacktest where it does not."""
    what, fix = f"version 1 of '{context.spec.name}', of what was there on {moment:%Y-%m-%d}", "give a later --from"
    try:
        with as_of(moment), given(context):
            bootstrap.fn(context.spec.name)
    except EvergreenError as error:
        raise InvalidBacktest(what, f"it cannot be made: {error.received}: {error.why}", fix) from error
    champion = context.registry.find_champion(context.spec.name)
    if champion is None:
        raise InvalidBacktest(what, context.registry.runs(context.spec.name, limit=1)[0].reason or "refused", fix)
    return champion


def live(spec: ModelSpec, history: History, policy: Policy) -> Lived:
    """Go through the past under one policy, from the last whole step on, if it was begun before."""
    own = overridden(spec, policy)
    folder = policy_folder(own, history, policy)
    # Before version 1 is asked for: where another process is just making it, this one would wait, and import only then.
    if steps_done(folder) < history.came.last:
        import_what_steps_need(own)
    first = first_version(spec, history)
    with locked(folder / "lock"):
        done = begun_again(own, history, folder, first)
        with opened(own, history, folder / REGISTRY, always=policy.always) as context:
            for number in range(done + 1, history.came.last + 1):
                one_step(context, history.came.steps.at(number))
                save_snapshot(folder / REGISTRY, folder / snapshot_name(number))
                (folder / snapshot_name(number - 1)).unlink(missing_ok=True)
            result = policy_result(context, history.came, policy)
            if policy.name == PRESENT:
                return Lived(result, baselines(own, history.came))
            return Lived(result, crossed=crossed(context, history.came) if policy.name == ALWAYS else ())


def import_what_steps_need(spec: ModelSpec) -> None:
    """Import TensorFlow and the like, once a process: else the first step of the first policy would pay for it."""
    start_tensorflow()
    if "drift" in spec.retrain.when:
        after_large_import("evidently.metrics", len, ())


def begun_again(spec: ModelSpec, history: History, folder: Path, first: Path) -> int:
    """Put a policy's registry where its last whole step left it, if that was of this past, and say which it was."""
    done = steps_done(folder)
    if done:
        restore_snapshot(folder / snapshot_name(done), folder / REGISTRY)
        with opened(spec, history, folder / REGISTRY) as context:
            if history.came.is_past_of(context.registry.partitions(spec.name), done):
                return done
    for snapshot in folder.glob("step-*.db"):
        snapshot.unlink()
    restore_snapshot(first, folder / REGISTRY)
    return 0


def one_step(context: Context, moment: datetime) -> None:
    """One run at a moment; one that fails is recorded as such, as in production, and the next one tries again."""
    runs = context.registry.runs(context.spec.name, limit=1)[0].id
    try:
        with as_of(moment), given(context):
            retrain.fn(context.spec.name)
    except EvergreenError:
        newest = context.registry.runs(context.spec.name, limit=1)[0]
        if newest.id == runs or newest.outcome != "failed":
            raise


def policy_folder(spec: ModelSpec, history: History, policy: Policy) -> Path:
    """Where what a policy has done is kept: two names for the same values share it, since they do the same."""
    plans = [plan_of(part) for part in (spec.finetune, spec.drift, spec.retrain, spec.gate)]
    key = json_digest([plans, policy.always, history.came.steps.length.total_seconds()])[:16]
    folder = history.period / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def snapshot_name(number: int) -> str:
    """The file that has a registry as it was after a step."""
    return f"step-{number:05}.db"


def folders(history: History, policies: Sequence[Policy]) -> list[Path]:
    """Where what these policies have done is kept."""
    spec = load_spec(history.model, history.settings.model_folders)
    return [policy_folder(overridden(spec, one), history, one) for one in policies]


def steps_done(folder: Path) -> int:
    """How many steps were made in a policy's folder."""
    return max((int(path.stem.rpartition("-")[2]) for path in folder.glob("step-*.db")), default=0)
