"""What a version says of partitions; of the same weights and rows, the policies of a backtest ask only once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from db.arrival_records import PartitionRecord
from db.records import VersionRecord
from learning.data import Split
from learning.environment import code_digest
from learning.prediction import Predictions, predict
from tasks.run import Context


def predict_with(  # noqa: PLR0913 - all but the first three by name
    context: Context,
    version: VersionRecord,
    partitions: Sequence[PartitionRecord],
    *,
    split: Split,
    columns: Sequence[str] = (),
    since: datetime | None = None,
) -> Predictions:
    """A version's predictions on the labelled rows of a split; see `learning.prediction.predict`."""
    spec, files, paths = context.spec_of(version), context.model_files(version), context.partition_files(partitions)
    kept = None
    if context.past:  # only then, as the digest of the code reads the files that it is in
        rows = [[file.digest for file in paths], split, str(since)]
        of = [files.base_digest, files.head_digest, code_digest(spec), rows]
        kept = partial(context.past.kept_of, "predictions", of)
    return predict(
        spec,
        files,
        paths,
        split=split,
        cache=context.settings.cache,
        columns=columns,
        since=since,
        kept=kept,
    )
