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

from benchmarks.claims import Claims

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
    from models.catalog import load_spec
    from tasks import house as rooms
    from tasks.flights_data import write_flights
    from tasks.scoring import score_arrivals
    from tasks.track_record import FIRST, mean_losses, track_record

    spec = load_spec("flights")
    if max_forgetting is not None:
        spec = replace(spec, gate=replace(spec.gate, max_forgetting=max_forgetting))
    rooms.load_spec = lambda _name: spec
    with rooms.opened(spec.name) as house:
        landing = Path(house.settings.landing)
        write_flights(landing, HISTORY)
        promoted = _run(house)
        for week in WEEKS:
            write_flights(landing, [week])
            promoted += _run(house)
        learned = {partition.digest for partition in house.registry.trained_on(spec.name, FIRST)}
        later = [p.digest for p in house.registry.partitions(spec.name) if p.digest not in learned]
        score_arrivals(house, None, FIRST, later)
        return promoted - 1, mean_losses(track_record(house))


def _run(house: object) -> int:
    """One run as the flows do it, without Prefect; 1 if it promoted."""
    from tasks.arrivals import ingest
    from tasks.decision import pending_work
    from tasks.finetuning import finetune_champion, pretrain_on_history
    from tasks.house import House
    from tasks.promotion import evaluate, promote
    from tasks.scoring import score_arrivals

    assert isinstance(house, House)
    spec, registry, settings = house.spec, house.registry, house.settings
    ingest(spec, registry, house.store, landing=settings.landing, cache=settings.cache)
    run = registry.start_run(spec.name, trigger="benchmark").id
    champion = registry.find_champion(spec.name)
    if champion is None:
        challenger = pretrain_on_history(house, run)
    else:
        pending = pending_work(spec, champion.number, registry.pending(spec.name))
        score_arrivals(house, run, champion.number, pending.partitions)
        challenger = finetune_champion(house, run, pending)
    ending = promote(house, evaluate(house, run, challenger.number))
    assert ending is not None
    registry.finish_run(run, outcome=ending.outcome, decision=ending.decision, reason=ending.reason)
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
