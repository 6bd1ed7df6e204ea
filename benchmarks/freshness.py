"""What keeping a model fresh is worth: a year of flights, week by week, against leaving version 1 alone.

Every loss is prequential: of the version in production when the week arrived, before anything learned from it.

    python -m benchmarks.freshness [--forgetting 0.02 0.05 0.1]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from benchmarks.claims import Claims
from benchmarks.living import live_through, opened
from benchmarks.streams import streams


def year(max_forgetting: float | None) -> tuple[int, tuple[float, ...]]:
    """Live through 2013 under a gate; gives the promotions, and the mean losses live, left alone and constant."""
    from flows.demo import score_first_version
    from monitoring.track_record import mean_losses, track_record

    stream = streams()["flights"]
    spec = stream.spec
    if max_forgetting is not None:
        spec = replace(spec, gate=replace(spec.gate, max_forgetting=max_forgetting))
    with opened(spec) as context:
        lived = live_through(replace(stream, spec=spec), context)
        score_first_version(context)
        *_, constant = mean_losses(track_record(spec, context.registry, context.partition_files))
    losses = ([arrival.live for arrival in lived.arrived], [arrival.first for arrival in lived.arrived])
    return lived.outcomes[1:].count("promoted"), (*map(lived.mean, losses), constant)


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
