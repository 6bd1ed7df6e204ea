"""What keeping a model fresh is worth: a year of flights, week by week, against leaving version 1 alone.

Every loss is prequential: of the version in production when the week arrived, before anything learned from it.

    python -m benchmarks.freshness [--forgetting 0.02 0.05 0.1]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.claims import Claims

if TYPE_CHECKING:
    from tasks.run import Context

HISTORY = range(1, 9)
WEEKS = range(9, 53)


def year(max_forgetting: float | None) -> tuple[int, tuple[float, ...]]:
    """Live through 2013 under a gate; gives the promotions, and the mean losses live, left alone and constant."""
    from settings import get_settings

    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVERGREEN_HOME"] = folder
        get_settings.cache_clear()
        return _live(max_forgetting)


def _live(max_forgetting: float | None) -> tuple[int, tuple[float, ...]]:
    from demo.demos import FLIGHTS
    from flows.demo import score_first_version
    from learning.catalog import load_spec
    from monitoring.track_record import mean_losses, track_record
    from settings import get_settings
    from tasks import run as runs

    spec = load_spec("flights", get_settings().model_folders)
    if max_forgetting is not None:
        spec = replace(spec, gate=replace(spec.gate, max_forgetting=max_forgetting))
    runs.load_spec = lambda *_: spec
    with runs.open_context(spec.name) as context:
        landing = Path(context.settings.landing)
        FLIGHTS.write(landing, HISTORY)
        promoted = _run(context)
        for week in WEEKS:
            FLIGHTS.write(landing, [week])
            promoted += _run(context)
        score_first_version(context)
        return promoted - 1, mean_losses(track_record(spec, context.registry, context.partition_files))


def _run(context: Context) -> int:
    """One run as the flows do it, without Prefect; 1 if it promoted."""
    from arrivals.ingest import ingest
    from tasks.evaluate import evaluate
    from tasks.find_pending import pending_work
    from tasks.finetune import finetune_champion
    from tasks.pretrain import pretrain_on_history
    from tasks.promote import promote
    from tasks.register_version import register
    from tasks.score_champion import score_arrivals

    spec, registry, settings = context.spec, context.registry, context.settings
    ingest(spec, registry, context.store, landing=settings.landing, cache=settings.cache)
    run = registry.start_run(spec.name, trigger="benchmark").id
    if registry.find_champion(spec.name) is None:
        learned = pretrain_on_history(context, run)
    else:
        pending = pending_work(context)
        score_arrivals(context, run, pending.champion, pending.partitions)
        learned = finetune_champion(context, run, pending)
    ending = promote(context, evaluate(context, run, register(context, run, learned)))
    assert ending is not None
    registry.finish_run(run, ending)
    return int(ending.outcome == "promoted")


def main() -> None:
    """Print the claims, and with --forgetting a line for each bound."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--forgetting", type=float, nargs="*", default=[])
    options = parser.parse_args()
    promoted, (live, alone, constant) = year(None)
    print(f"44 weeks, {promoted} promotions: live {live:.4f}, left alone {alone:.4f}, constant {constant:.4f}")
    claims = Claims()
    claims.at_most("log loss kept fresh / left alone", live / alone, 0.95)
    claims.at_most("log loss kept fresh / constant", live / constant, 0.92)
    for bound in options.forgetting:
        promoted, losses = year(bound)
        print(f"max_forgetting {bound:.0%}: {promoted} of 44 promoted, live {losses[0]:.4f}")
    sys.exit(claims.exit_code)


if __name__ == "__main__":
    main()
