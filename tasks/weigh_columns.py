"""Weigh columns: how much the champion needs each of them, so that drift of one that nobody uses says little."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from db.records import VersionRecord
from errors import EvergreenError
from evergreen_client.durable import written_whole
from evergreen_client.shown import gist
from learning.digests import json_digest
from learning.importance import importance
from learning.startup import start_tensorflow
from tasks.logs import run_logger
from tasks.run import Context, Run, step
from tasks.unlearned import judged_since, judging


def weights_path(context: Context, version: VersionRecord) -> Path:
    """Where a version's are kept; versions of the same weights share them."""
    digest = json_digest([version.base.digest, version.head.digest])
    return context.settings.cache / "importance" / f"{digest[:32]}.json"


def known_weights(context: Context, version: VersionRecord) -> dict[str, float] | None:
    """What was measured before: input to relative rise of the loss; None if it was not, or is not legible any more."""
    try:
        found = json.loads(weights_path(context, version).read_text())["columns"]
        weights = {name: float(found[name]) for name in context.spec.schema.inputs if name in found}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return weights if all(map(math.isfinite, weights.values())) else None


def weights(context: Context, version: VersionRecord) -> Mapping[str, float]:
    """Input to the relative rise of a version's loss when it is shuffled; measured once a version, and then kept."""
    if context.past:
        of = [version.base.digest, version.head.digest]
        return context.past.kept_of("importance", of, lambda: measured_weights(context, version))
    known = known_weights(context, version)
    return measured_weights(context, version) if known is None else known


def measured_weights(context: Context, version: VersionRecord) -> Mapping[str, float]:
    """Measure them, and keep them if there were rows to measure them on."""
    start_tensorflow()
    since = judged_since(context)
    learned = judging(context.registry.trained_on(context.spec.name, version.number), since)
    newest_first = (context.partition_files([p])[0] for p in reversed(learned) if p.holdout_rows and p.labelled_rows)
    found = importance(context.spec_of(version), context.model_files(version), newest_first, since)
    if found.rows:  # else labels may still come
        path = weights_path(context, version)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path, sync=False) as temporary:
            temporary.write_text(json.dumps(vars(found), sort_keys=True))
    return found.columns


@step("weigh the columns")
def weigh_columns(run: Run, number: int) -> None:
    """Measure how much a version needs each column, for the drift checks to come."""
    context = run.context
    if context.past and "drift" not in context.spec.retrain.when:
        return  # a check that comes to the columns after all measures them itself
    try:
        found = weights(context, context.registry.version(run.model, number))
    except Exception as error:  # noqa: BLE001 - no reason against a promotion; the next drift check tries again
        why = error if isinstance(error, EvergreenError) else gist(error)
        run_logger().warning("the columns could not be weighed: %s", why)
        return
    most = sorted(found.items(), key=lambda item: -item[1])[:3]
    if most:
        shown = ", ".join(f"{name} {rise:+.0%}" for name, rise in most)
        run_logger().info("the loss rises most when these columns are shuffled: %s", shown)
