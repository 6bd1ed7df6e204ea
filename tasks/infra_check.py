"""Before a challenger can be promoted, a fresh process loads it as a service would, and it answers the same as soon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from db.records import VersionRecord
from db.verdict_records import NewEvaluation, RuleVerdict
from errors import UnusableVersion
from evaluation.bounds import LATENCY
from evaluation.reproduction import Floats, difference
from evaluation.speed import latency, slower
from learning.data import PartitionFile
from learning.fresh_service import FreshService, Production, Question
from learning.prediction import Predictions, predict, probe
from tasks.run import Context, Run, step

MEND = "mend that and run again: what was trained is kept, and no version was promoted"
PROBED_PARTITIONS = 5
GET_READY = "from learning.startup import start_tensorflow; start_tensorflow()"


class InfraCheck:
    """The check of one challenger: begun when its predictions are known, and waited for if the gate lets it pass."""

    def __init__(self, context: Context, service: FreshService | None) -> None:
        self._context, self._service = context, service
        self._recorded: Floats | None = None
        self._timed = False
        self._number = 0

    def begin(
        self,
        version: VersionRecord,
        found: Predictions,
        partitions: Sequence[PartitionFile],
        champion: VersionRecord | None = None,
    ) -> None:
        """Give the process some rows of what the challenger predicted; where the gate judges again, it has them.

        Where there is a champion, the process times both on these rows, unless their layers are the same.
        """
        if self._service is None or self._recorded is not None or not len(found.target):
            return
        settings, self._number = self._context.settings, version.number
        columns, self._recorded = probe(self._context.spec.schema, found, partitions)
        inputs = {name: values.tolist() for name, values in columns.items()}
        files = version.base, version.head
        place = settings.artifact_root, str(settings.cache)
        beside = (champion.base, champion.head) if champion else None
        self._timed = champion is not None
        self._service.ask(Question(version.model, version.number, *files, *place, inputs, beside))

    def failure(self) -> str:
        """Wait for the process: why a service could not use the challenger, in a sentence; "" if it could."""
        if self._service is None or self._recorded is None:
            return ""
        answer = self._service.answer()
        if answer.error:
            return f"a fresh process with evergreen_client, as a service is one, cannot use it: {answer.error}"
        found = difference(self._recorded, np.array(answer.predictions))
        return (
            f"a fresh process with evergreen_client, as a service is one, answers otherwise: {found}" if found else ""
        )

    def latency(self, champion: int | None) -> RuleVerdict | None:
        """What a user's own rule says of the challenger's time; None without such a rule, or a champion."""
        rule = next((rule for rule in self._context.spec.gate.also if rule.figure == LATENCY), None)
        if self._service is None or rule is None or champion is None or self._recorded is None:
            return None
        return latency(rule, self._service.answer().seconds, len(self._recorded), timed=self._timed)

    def slow(self) -> str:
        """How much slower than the champion the challenger answered there, in a sentence; "" if it did not."""
        if self._service is None or self._recorded is None or (seconds := self._service.answer().seconds) is None:
            return ""
        found = slower(*seconds, len(self._recorded))
        command = f"evergreen registry promote {self._context.spec.name} {self._number} --reason …"
        return found and f"too slow: in a fresh process, {found}; if it is worth that: `{command}`"


@contextmanager
def infra_check(run: Run) -> Iterator[InfraCheck]:
    """Start the process now, while there is time: to import TensorFlow takes it as long as many a training.

    It loads the champion, as a service would that is asked for predictions meanwhile.
    """
    context = run.context
    if context.past:  # no service waits for what a backtest promotes
        yield InfraCheck(context, None)
        return
    with FreshService(context.settings.model_folders, GET_READY) as service:
        if champion := context.registry.find_champion(run.model):
            place = context.settings.artifact_root, str(context.settings.cache)
            service.prepare(Production(run.model, (champion.base, champion.head), *place))
        yield InfraCheck(context, service)


def begin_try_out(context: Context, number: int, champion: int | None, check: InfraCheck) -> None:
    """Ask the fresh process for some of the newest rows that a version learned about, and do not wait for it."""
    registry, spec = context.registry, context.spec
    if context.past:
        return
    version = registry.version(spec.name, number)
    newest = context.partition_files(registry.trained_on(spec.name, number)[-PROBED_PARTITIONS:])
    found = predict(spec, context.model_files(version), newest, split="all", cache=context.settings.cache)
    beside = registry.version(spec.name, champion) if champion else None
    if beside and context.spec_of(beside) is not spec:  # it takes other columns than the process is given
        beside = None
    check.begin(version, found, newest, beside)


def try_out(context: Context, run_id: int, number: int, champion: int | None, check: InfraCheck) -> str:
    """Wait for what the fresh process answers, which was asked before; why the version is too slow, or "".

    Raises:
        UnusableVersion: the process cannot load the version, or answers otherwise than this one.
    """
    registry, spec = context.registry, context.spec
    unusable = check.failure()
    rule = None if unusable else check.latency(champion)
    broken = f"rule '{rule.rule}' {rule.reason}" if rule and not rule.passed else ""
    refused = unusable or broken or ("" if rule else check.slow())
    if refused:
        own = (rule,) if rule else ()
        registry.record_evaluation(NewEvaluation(run_id, spec.name, number, champion, False, refused, (), own))
    if unusable:
        raise UnusableVersion(f"version {number} of model '{spec.name}'", unusable, MEND)
    return refused


@step("try out in a fresh process")
def try_out_version(run: Run, number: int, champion: int | None, check: InfraCheck) -> str:
    """A version that a service could not use is not promoted; why it is too slow, or ""."""
    return try_out(run.context, run.id, number, champion, check)
