"""Before a challenger can be promoted, a fresh process loads it as a service would, and it answers the same as soon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from db.records import VersionRecord
from evaluation.reproduction import Floats, difference
from evaluation.speed import slower
from learning.data import PartitionFile
from learning.fresh_service import FreshService, Question
from learning.prediction import Predictions, probe
from tasks.run import Context, Run

GET_READY = "from learning.startup import start_tensorflow; start_tensorflow()"


class InfraCheck:
    """The check of one challenger: begun when its predictions are known, and waited for if the gate lets it pass."""

    def __init__(self, context: Context, service: FreshService) -> None:
        self._context, self._service = context, service
        self._recorded: Floats | None = None
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
        if self._recorded is not None or not len(found.target):
            return
        settings, self._number = self._context.settings, version.number
        columns, self._recorded = probe(self._context.spec.schema, found, partitions)
        inputs = {name: values.tolist() for name, values in columns.items()}
        files = version.base, version.head
        place = settings.artifact_root, str(settings.cache)
        beside = (champion.base, champion.head) if champion else None
        self._service.ask(Question(version.model, version.number, *files, *place, inputs, beside))

    def failure(self) -> str:
        """Wait for the process: why a service could not use the challenger, in a sentence; "" if it could."""
        if self._recorded is None:
            return ""
        answer = self._service.answer()
        if answer.error:
            return f"a fresh process with evergreen_client, as a service is one, cannot use it: {answer.error}"
        found = difference(self._recorded, np.array(answer.predictions))
        return (
            f"a fresh process with evergreen_client, as a service is one, answers otherwise: {found}" if found else ""
        )

    def slow(self) -> str:
        """How much slower than the champion the challenger answered there, in a sentence; "" if it did not."""
        if self._recorded is None or (seconds := self._service.answer().seconds) is None:
            return ""
        found = slower(*seconds, len(self._recorded))
        command = f"evergreen registry promote {self._context.spec.name} {self._number} --reason …"
        return found and f"too slow: in a fresh process, {found}; if it is worth that: `{command}`"


@contextmanager
def infra_check(run: Run) -> Iterator[InfraCheck]:
    """Start the process now, while there is time: to import TensorFlow takes it as long as many a training."""
    with FreshService(run.context.settings.model_folders, GET_READY) as service:
        yield InfraCheck(run.context, service)
