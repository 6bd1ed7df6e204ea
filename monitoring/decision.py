"""Is what arrived worth a retrain?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from db.records import NEEDS_ATTENTION, RunEnding

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from db.records import RunRecord
    from learning.spec import RetrainPolicy
    from monitoring.drift import DriftVerdict


@dataclass(frozen=True)
class Pending:
    """What arrived and the champion has not learned from.

    Args:
        champion: number of the champion.
        partitions: the pending ones, oldest first.
        work_key: digest of all that a retrain on them depends on.
        settled: why this very work need not be done again; empty when it must be.
        prove_from: when the proving window begins: the newest of these rows, that a challenger is judged on before
            it may learn them. None where they are no two time blocks; then held-out entities are the proof.
        proving_rows: labelled rows of the proving window.
        stuck: how many challengers in a row were better on what is new, and refused.
    """

    champion: int
    partitions: tuple[PartitionRecord, ...]
    work_key: str
    settled: str = ""
    prove_from: datetime | None = None
    proving_rows: int = 0
    stuck: int = 0

    @property
    def labelled_rows(self) -> int:
        """How many of the rows have a label."""
        return sum(partition.labelled_rows for partition in self.partitions)

    @property
    def holdout_rows(self) -> int:
        """How many of the rows are held out, labelled or not."""
        return sum(partition.holdout_rows for partition in self.partitions)


def why_settled(champion: int, partitions: Sequence[PartitionRecord], earlier: RunRecord | None) -> str:
    """Why work need not be done again, or "".

    Args:
        champion: number of the champion.
        partitions: the pending ones.
        earlier: the newest finished run that had the same work.
    """
    if not partitions:
        return f"no new data since version {champion} learned"
    if earlier is None or earlier.outcome == "failed":
        return ""
    # The reason of a run that needs attention begins with what else it came to.
    came_to = earlier.reason if earlier.outcome == NEEDS_ATTENTION else f"{earlier.outcome}: {earlier.reason}"
    if str(came_to).startswith("promoted: "):  # and yet this is the champion again
        return f"no new data since the version that run {earlier.id} promoted was rolled back"
    return f"no new data since run {earlier.id}, which ended {came_to}"


def decide(pending: Pending, drift: DriftVerdict | None, policy: RetrainPolicy, judged_rows: int = 0) -> RunEnding:
    """Retrain, or wait for more: an ending whose decision is "retrain" or "wait".

    Args:
        pending: what has not been learned.
        drift: what the drift check found, if there was one.
        policy: when a retrain is worth it.
        judged_rows: new rows, kept from the challenger, without which the gate could give no verdict on it.
    """
    rows = f"{pending.labelled_rows:,} labelled rows are pending"
    if pending.labelled_rows < policy.min_rows:
        return RunEnding("waiting", "wait", f"{rows}, a retrain needs {policy.min_rows:,}")
    judging, what = pending.holdout_rows, "are held out"
    if pending.prove_from:
        judging, what = pending.proving_rows, f"are of the proving window, since {pending.prove_from:%Y-%m-%d %H:%M}"
    if judging < judged_rows:
        held = f"{judging:,} of the pending rows {what}"
        return RunEnding("waiting", "wait", f"{held}, the gate needs {judged_rows:,} to judge a challenger")
    found = drift.reason if drift else "too few new rows to check for drift"
    if policy.only_on_drift and not (drift and drift.drifted):
        return RunEnding("waiting", "wait", f"{rows}, but without drift: {found}")
    return RunEnding("retraining", "retrain", f"{rows}; {found}")
