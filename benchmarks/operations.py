"""What it takes to run for months: `python -m benchmarks.operations [--only PART …]`.

`no-new-data`: a deployment run that finds nothing new, beside one of an empty flow, in turn. `ready`: until `evergreen
up` is ready. `short-runs`: many runs one after the other; memory, handles, time and the registry stay as they were.
`secret`: a password in a source that cannot be reached is found nowhere. `chaos`: weeks of runs while flow, worker and
server are killed at random; with `--database postgresql` the registry is in a PostgreSQL, which is killed too.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.a_database import database
from benchmarks.a_house import MODEL, House, house
from benchmarks.chaos import chaos
from benchmarks.claims import Claims

SECRET = "correct-horse-battery-staple"  # noqa: S105 - what is looked for


def no_new_data(house: House, claims: Claims, asked: argparse.Namespace) -> None:
    """A run that finds nothing new costs little more than any run of Prefect's."""
    spent: dict[str, list[float]] = {"retrain/retrain-small": [], "empty/empty": []}
    for _ in range(asked.rounds):
        for deployment, seconds in spent.items():
            seconds.append(house.seconds_of(house.run(deployment)))
    ours, empty = (median(seconds) for seconds in spent.values())
    claims.show("an empty flow as a deployment run", empty, "s")
    claims.at_most("no new data as a deployment run, by an empty flow", ours / empty, 2.0)


def ready(house: House, claims: Claims, _asked: argparse.Namespace) -> None:
    """A second start, whose database is there already."""
    house.end()
    claims.show("`evergreen up` until it is ready", house.begin(), "s")


def short_runs(house: House, claims: Claims, asked: argparse.Namespace) -> None:
    """Nothing grows from run to run, in the processes that stay or in the registry's answers."""
    processes = [house.process.pid if house.process else 0, *house.services()]
    spent, warm = list[float](), max(asked.runs // 10, 2)
    for _ in range(warm):
        house.run("retrain/retrain-small")
    before = [(memory(number), handles(number)) for number in processes], registry_seconds(house)
    spent = [house.seconds_of(house.run("retrain/retrain-small")) for _ in range(asked.runs - warm)]
    after = [(memory(number), handles(number)) for number in processes], registry_seconds(house)
    quarter = max(len(spent) // 4, 1)
    for name, (old, new) in zip(("up", "server", "worker"), zip(before[0], after[0], strict=True), strict=True):
        claims.at_most(f"memory of the {name} after {asked.runs} runs, by {warm} runs", new[0] / old[0], 1.2)
        claims.at_most(f"handles of the {name}, likewise", new[1] / old[1], 1.2)
    claims.at_most(
        "time of the last quarter of runs, by the first", median(spent[-quarter:]) / median(spent[:quarter]), 1.2
    )
    claims.at_most("the registry's answers, likewise", after[1] / before[1], 1.5)


def memory(process: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles(process: int) -> int:
    """Open files and sockets of a process."""
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


def registry_seconds(house: House) -> float:
    """Median time of the question that every run asks first."""
    with house.registry() as registry:
        spent = []
        for _ in range(50):
            started = time.perf_counter()
            registry.find_champion(MODEL)
            registry.pending(MODEL)
            spent.append(time.perf_counter() - started)
    return median(spent)


def secret(house: House, claims: Claims, _asked: argparse.Namespace) -> None:
    """The password of a source goes into no log, state, artifact, table or file."""
    text = (house.folder / "models/small.py").read_text()
    (house.folder / "models/leaky.py").write_text(
        text.replace('"small"', '"leaky"').replace('Source("leaky"', 'Source("$LEAKY"')
    )
    house.evergreen("deploy", "leaky")
    house.register()
    ended = house.run("bootstrap/bootstrap-leaky", 600)
    told = str(ended.state.message if ended.state else "")
    claims.at_least(
        "runs of the source that cannot be reached, whose reason names its host", "127.0.0.1" in told, 1, "run"
    )
    files = [path for path in (*house.settings.home.rglob("*"), house.log) if path.is_file()]
    found = [path for path in files if SECRET.encode() in path.read_bytes()]
    for path in found:
        print(f"found in {path}", file=sys.stderr)
    claims.at_most(f"files of {len(files)} with the planted password in them", len(found), 0, "files")


PARTS = {"no-new-data": no_new_data, "ready": ready, "short-runs": short_runs, "secret": secret, "chaos": chaos}


def main(words: Sequence[str]) -> int:
    """Measure the parts that are asked for; 1 if a claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--weeks", type=int, default=30)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    asked, claims = parser.parse_args(words), Claims()
    place = f"ftp://shop:{SECRET}@127.0.0.1:9/rows"
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as opened:
        server = opened.enter_context(database(Path(folder) / "postgres")) if asked.database == "postgresql" else None
        at_home = opened.enter_context(house(Path(folder), server, LEAKY=place))
        at_home.land()
        at_home.begin()
        at_home.run(f"bootstrap/bootstrap-{MODEL}", 600)
        print("claim | measured | goal | holds\n--- | --- | --- | ---")
        for part in asked.only:
            PARTS[part](at_home, claims, asked)
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
