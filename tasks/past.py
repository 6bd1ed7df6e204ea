"""The past that a backtest goes through once more: what arrives in it, and what need not be done twice for it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from arrivals.ingest_result import IngestResult
from arrivals.past import Arriving, arrival
from db.artifacts import ArtifactStore
from evergreen_client.artifacts import StoredArtifact
from evergreen_client.durable import written_whole
from learning.data import PartitionFile
from learning.digests import json_digest
from learning.environment import code_digest, environment
from learning.files import ModelFiles, Trained, locked
from learning.finetuning import finetune
from learning.spec import ModelSpec
from learning.thresholds import costs_record
from learning.work_folder import plan_of
from monitoring.decision import Pending
from monitoring.drift import DriftVerdict
from tasks.check_drift import Comparison, broken_inputs, broken_outputs, verdict_of
from tasks.check_performance import performance_of
from tasks.decide_retrain import decision
from tasks.drift_windows import WindowFiles
from tasks.run import Run

R = TypeVar("R")
PROCESSOR, TRAINED_ROWS = "processor", "trained rows"  # what a backtest's runs keep beside their seconds


class PastStore(ArtifactStore):
    """Files that are verified when they are fetched first: a year's steps would hash all of them a hundred times."""

    @cached_property
    def _fetched(self) -> dict[str, Path]:
        return {}

    def fetch(self, artifact: StoredArtifact, *, of: str = "") -> Path:
        """Give a local path to a stored file, as `ArtifactStore.fetch` does."""
        if artifact.uri not in self._fetched:
            self._fetched[artifact.uri] = super().fetch(artifact, of=of)
        return self._fetched[artifact.uri]


class Past:
    """What the runs of one policy are given that a run in the present finds out.

    Two policies often do the very same: their champions have the same weights, and the same rows are pending. It is
    done once, by whichever comes first; the other one takes what came of it, and counts the time that it took.

    Args:
        arrivals: everything that arrives, oldest first.
        shared: folder of what all policies of a model share.
        always: whether every challenger takes the place, whatever the gate says.
    """

    def __init__(self, arrivals: Sequence[Arriving], shared: Path, *, always: bool = False) -> None:
        self.arrivals, self.always = arrivals, always
        self._shared = shared
        self._began, self._spared, self._rows = time.process_time(), dict[str, float](), dict[str, int]()

    def arrive(self, run: Run) -> IngestResult:
        """Record what has arrived until the run began; what comes later is not there yet."""
        self._began, self._spared, self._rows = time.process_time(), dict[str, float](), dict[str, int]()
        registry = run.context.registry
        known = {entry.digest for entry in registry.ledger(run.model)}
        new = [one for one in self.arrivals if one.at <= run.started_at and one.partition.digest not in known]
        if not new:
            return IngestResult()
        recorded = registry.record_arrivals([arrival(one, len(known), run.id) for one in new])
        return IngestResult(recorded, files=len(new), rows=sum(partition.rows for partition in recorded))

    def tally(self) -> dict[str, float]:
        """What the run took of processor time, with what others had done for it, and how many rows it trained on."""
        spent = time.process_time() - self._began + sum(self._spared.values())
        return {PROCESSOR: spent, TRAINED_ROWS: float(sum(self._rows.values()))}

    def finetune(
        self,
        spec: ModelSpec,
        champion: ModelFiles,
        new: Sequence[PartitionFile],
        old: Sequence[PartitionFile],
        **how: Any,
    ) -> Trained:
        """As `learning.finetuning.finetune`, in a work folder that is named by all that the result depends on."""
        depends = {name: value for name, value in how.items() if name not in {"cache", "work", "logs", "progress"}}
        depends |= {"plan": plan_of(depends["plan"] or spec.finetune), "pretrain": plan_of(spec.pretrain)}
        rows = [[file.digest for file in files] for files in (new, old)]
        code = [code_digest(spec), environment(), *costs_record(spec)]
        key = json_digest([champion.base_digest, champion.head_digest, rows, repr(sorted(depends.items())), code])[:32]
        how |= {"work": how["work"].parent / key, "logs": None, "progress": None}
        with self._once(key):
            trained = finetune(spec, champion, new, old, **how)
        self._rows[key] = trained.rows
        return trained

    def drift_verdict(self, run: Run, pending: Pending, comparison: Comparison) -> DriftVerdict | None:
        """As `tasks.check_drift.verdict_of`, of the same windows and weights only once.

        None where it decides nothing: it takes as long as a small retrain. Where drift is no reason to retrain, a check
        can only forbid one, if a column is broken, which is found out sooner. A run that waits whatever it says does
        not look for that either.
        """
        if "drift" not in run.context.spec.retrain.when and not self._forbidden(run, pending, comparison):
            return None
        of = self._weights(run, pending.champion), comparison.reference.name, comparison.reference.remark
        compared = partial(verdict_of, run, pending.champion, comparison)
        return self.kept_of_rows("drift", run.context.spec, comparison.windows, compared, of)

    def _forbidden(self, run: Run, pending: Pending, comparison: Comparison) -> bool:
        """Whether a run that would retrain may not, as a column is broken."""
        context, champion, windows = run.context, pending.champion, comparison.windows
        if decision(context, pending, None, performance_of(context), run.started_at).decision == "wait":
            return False
        inputs = partial(broken_inputs, context, comparison)
        outputs = partial(broken_outputs, context, champion, comparison)
        of = self._weights(run, champion)
        return self.kept_of_rows("broken inputs", context.spec, windows, inputs) or self.kept_of_rows(
            "broken outputs", context.spec, windows, outputs, of
        )

    @staticmethod
    def _weights(run: Run, number: int) -> list[str]:
        version = run.context.registry.version(run.model, number)
        return [version.base.digest, version.head.digest]

    def kept_of_rows(
        self, what: str, spec: ModelSpec, windows: Sequence[WindowFiles], made: Callable[[], R], more: object = ()
    ) -> R:
        """As `kept_of`, of what depends on the rows of some windows, as the spec reads and compares them."""
        depends = [code_digest(spec), repr(spec.drift), [window.content for window in windows], more]
        return self.kept_of(what, depends, made)

    def kept_of(self, what: str, depends: object, made: Callable[[], R]) -> R:
        """What a function gives, which is kept: whoever asks for what depends on the same gets it from the file."""
        key = json_digest([what, depends, environment()])[:32]
        path = self._shared / f"{key}.pickle"
        with self._once(key):
            if path.exists():
                found: R = pickle.loads(path.read_bytes())
                return found
            value = made()
            with written_whole(path, sync=False) as temporary:
                temporary.write_bytes(pickle.dumps(value))
            return value

    @contextmanager
    def _once(self, key: str) -> Iterator[None]:
        """Let others who want the same wait; whoever finds it done counts the time that it took the first one."""
        self._shared.mkdir(parents=True, exist_ok=True)
        took = self._shared / f"{key}.seconds"
        with locked(self._shared / f"{key}.lock"):
            began = time.process_time()
            yield
            spent = time.process_time() - began
            if took.exists():  # once a run, however often it is asked for
                self._spared.setdefault(key, float(took.read_text()) - spent)
            else:
                self._spared[key] = 0.0
                with written_whole(took, sync=False) as temporary:
                    temporary.write_text(str(spent))
