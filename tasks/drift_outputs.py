"""What the champion makes of both sides of a drift check: its predictions, and the features of its base.

The reference's rows are held-out ones: of rows that it learned from, a champion is surer than of any that come after.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from db.garbage import keep_newest
from db.records import VersionRecord
from errors import NotEnoughData
from evergreen_client.durable import written_whole
from learning.digests import json_digest
from learning.environment import environment
from learning.objectives import Objective
from learning.outputs import Outputs, outputs
from learning.startup import start_tensorflow
from learning.stored import lacking
from monitoring.drift import MIN_ROWS, Compared, Side
from monitoring.projection import DIRECTIONS, Projection, fit, sketch
from monitoring.samples import Sample, draw
from monitoring.windows import is_text
from tasks.drift_windows import WindowFiles
from tasks.run import Context
from tasks.unlearned import clipped, judged_since

ROWS = 2_000  # of each side: a heavy base takes its time for each
FITTED_ROWS = 1_000  # from which the main directions of features are found
KEPT = 100  # references, of all models: each is what one version makes of one, in at most 300 KB
CLASSES = 8  # so many outputs are compared at most, those that are largest on average
PREDICTION, OUTPUT, CLASS, DIRECTION, OFF = (
    "champion/prediction",
    "champion/{}",
    "champion/class {}",
    "base/direction {}",
    "base/off directions",
)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class OutputSides:
    """Both sides of a check of the champion's outputs, and their columns."""

    reference: Side
    current: Side
    columns: tuple[Compared, ...]


def expected_columns(context: Context) -> int:
    """How many columns there will be; of free text among the categories nobody knows before it was looked at."""
    predictions = min(context.spec.objective.width, CLASSES)
    return predictions + (DIRECTIONS + 1 if context.spec.schema.opaque else 0)


def output_sides(context: Context, version: VersionRecord, windows: tuple[WindowFiles, WindowFiles]) -> OutputSides:
    """What a version makes of both sides.

    Args:
        context: the model's.
        version: the champion.
        windows: rows of old, of which those that are held out are looked at; and what arrived. Features are compared
            where there are tensors, files or free text.

    Raises:
        NotEnoughData: a side has too few rows.
    """
    start_tensorflow()
    reference, current = windows
    schema, most = context.spec.schema, min(ROWS, context.spec.drift.max_rows)
    spans = clipped(reference.rows.spans, judged_since(context))
    held_out = replace(reference, rows=replace(reference.rows, holdout=True, spans=spans))
    old = _enough(held_out, schema.categorical, most, "reference window of {} held-out rows that it has not learned")
    new = _enough(current, schema.categorical, most, "current window of {} rows")
    seen = schema.opaque or any(is_text(old.values[c], new.values[c]) for c in schema.categorical)
    path = _path(context, version, [seen, [p.digest for p in reference.partitions], old.place.tolist()])
    known = _kept(path, lambda: _reference(context, version, held_out, old, seen=seen))
    found = _outputs(context, version, current, new)
    projection = Projection(known["mean"], known["scale"], known["directions"]) if len(known["mean"]) else None
    shown = np.sort(np.argsort(-np.nan_to_num(known["prediction"]).mean(axis=0), kind="stable")[:CLASSES])
    names = prediction_names(context.spec.objective, known["prediction"].shape[1])
    named = {int(place): names[place] for place in shown}
    sides = [
        sample.side(_table(prediction, features, named))
        for sample, prediction, features in (
            (old, known["prediction"], known["features"]),
            (new, found.prediction, projection(found.features) if projection else found.features[:, :0]),
        )
    ]
    columns = [
        Compared(c, "number", "feature" if c.startswith("base/") else "prediction") for c in sides[0].values.columns
    ]
    return OutputSides(sides[0], sides[1], tuple(columns))


def prediction_names(objective: Objective, width: int) -> list[str]:
    """What each number of a prediction is called as a column.

    Example:
        >>> from learning.objectives import Binary, Multiclass
        >>> prediction_names(Binary(), 1), prediction_names(Multiclass(classes=("cat", "dog")), 2)
        (['champion/prediction'], ['champion/class cat', 'champion/class dog'])
    """
    if width == 1:
        return [PREDICTION]
    found = list[str]()
    for output, one, said in objective.outputs_of(np.empty((0, width))):
        count = said.shape[1]
        words = one.names if len(one.names) == count else [str(place) for place in range(count)]
        of = OUTPUT.format(output)
        found += [of] if count == 1 else [f"{of}, class {word}" if output else CLASS.format(word) for word in words]
    # A champion that was made for other outputs may have more of them.
    return found + [CLASS.format(place) for place in range(len(found), width)]


def _enough(window: WindowFiles, columns: tuple[str, ...], most: int, what: str) -> Sample:
    """Some rows of a window; of none at all, `draw` knows no name."""
    try:
        sample = draw(window.rows, columns, most)
        rows = sample.rows
    except NotEnoughData:
        rows = 0
    if rows < MIN_ROWS:
        raise NotEnoughData(f"a {what.format(rows)}", f"a drift check needs {MIN_ROWS}", "wait for more rows")
    return sample


def _reference(
    context: Context, version: VersionRecord, held_out: WindowFiles, sample: Sample, *, seen: bool
) -> Arrays:
    """Predictions of the reference, and features along directions that were found on rows beside it."""
    found, projection = _outputs(context, version, held_out, sample), None
    if seen:
        others = replace(held_out, rows=replace(held_out.rows, holdout=False))
        projection = fit(_outputs(context, version, others, draw(others.rows, (), FITTED_ROWS)).features)
    along = found.features[:, :0] if projection is None else projection(found.features)
    used = vars(projection or Projection(*[np.empty(0)] * 3))
    return {"prediction": found.prediction, "features": along, **used}


def _outputs(context: Context, version: VersionRecord, window: WindowFiles, sample: Sample) -> Outputs:
    files, cache = context.model_files(version), context.settings.cache
    spec = context.spec_of(version)
    for partition in window.partitions:
        if names := lacking(spec.schema, partition):
            why = f"version {version.number} cannot read them, which have no {', '.join(names)}"
            raise NotEnoughData("rows of another schema", why, "wait for a champion that can")
    return outputs(spec, files, window.partitions, sample.place, cache=cache, reduce=sketch)


def _table(prediction: NDArray[Any], features: NDArray[Any], named: dict[int, str]) -> pl.DataFrame:
    """One column an output that is named, and one a direction; what is not finite is missing."""
    columns = {name: prediction[:, place] for place, name in named.items()}
    names = [*(DIRECTION.format(place + 1) for place in range(features.shape[1] - 1)), OFF][: features.shape[1]]
    columns |= {name: features[:, place] for place, name in enumerate(names)}
    finite = {name: np.where(np.isfinite(values), values, np.nan) for name, values in columns.items()}
    return pl.DataFrame(finite).cast(pl.Float64).fill_nan(None)


def _path(context: Context, version: VersionRecord, rows: Any) -> Path:
    """Where is kept what a version makes of a reference: until the next promotion, it is the same at every check."""
    made_of = [version.base.digest, version.head.digest, sorted(environment().items()), rows]
    return context.settings.cache / "windows" / f"{json_digest(made_of)[:32]}.npz"


def _kept(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Arrays from a file, or made and kept there."""
    try:
        with np.load(path) as file:
            path.touch()  # those that were used last are kept
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        arrays = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, sync=False) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    keep_newest(path.parent, "*.npz", KEPT)
    return arrays
