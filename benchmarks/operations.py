"""What it takes to run for months: `python -m benchmarks.operations [--only PART …]`.

`no-new-data`: a deployment run that finds nothing new, beside one of an empty flow, in turn. `ready`: until `evergreen
up` is ready. `short-runs`: many runs one after the other; memory, handles, time and the registry stay as they were.
`secret`: a password in a source that cannot be reached is found nowhere. `chaos`: weeks of runs while flow, worker and
server are killed at random.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.a_house import MODEL, House, house, wait
from benchmarks.claims import Claims
from cli.supervisor import RESTARTS, WITHIN_SECONDS
from db.artifacts import ArtifactStore
from db.garbage import collect, orphans

SECRET = "correct-horse-battery-staple"  # noqa: S105 - what is looked for
TWO_MINUTES = 120.0


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


def chaos(house: House, claims: Claims, asked: argparse.Namespace) -> None:
    """Weeks of arrivals and runs, while something is killed in every week."""
    draw, killed = random.Random(asked.seed), Counter[str]()  # noqa: S311 - it must be the same every time
    at: dict[str, list[float]] = {"worker": [], "server": []}
    for _ in range(asked.weeks):
        house.land()
        begun = begin_retrain(house)
        time.sleep(draw.uniform(2, 25))
        # What ends too often is given up by `up`, as it should be: then it is the flow's turn.
        able = [
            name for name, times in at.items() if sum(time.time() - one < WITHIN_SECONDS for one in times) < RESTARTS
        ]
        victim = draw.choice(("flow", *able))
        killed[victim] += kill(house, victim)
        at.get(victim, []).append(time.time())
        wait(lambda run=begun: is_over(house, run), 400, "a run that something was killed beside ended")
    whole = wait(lambda: not open_runs(house), TWO_MINUTES, "every run ended")
    house.run("retrain/retrain-small", 600)
    print(f"killed: {dict(killed)}", file=sys.stderr)
    claims.at_least("processes killed", killed.total(), asked.weeks / 2, "processes")
    claims.at_most("runs open after the last kill, at most", whole, TWO_MINUTES, "s")
    for claim, count in losses(house).items():
        claims.at_most(claim, count, 0, "")


def begin_retrain(house: House) -> object:
    """Start a scheduled retrain; which flow run it is."""
    with house.client() as client:
        found = client.read_deployment_by_name("retrain/retrain-small")
        return client.create_flow_run_from_deployment(found.id).id


def is_over(house: House, run: object) -> bool:
    """Whether a flow run has ended; a server that is just starting again does not say."""
    from httpx import HTTPError

    with suppress(HTTPError, RuntimeError), house.client() as client:
        return bool(client.read_flow_run(run).state.is_final())
    return False


def open_runs(house: House) -> Sequence[object]:
    """Runs of the registry that have not ended."""
    with house.registry() as registry:
        return registry.open_runs()


def kill(house: House, victim: str) -> int:
    """Kill -9 one of them, if it lives just now; how many were killed."""
    from tasks.lease import process_of

    server, worker = [*house.services(), 0, 0][:2]
    with house.registry() as registry:
        flows = [process_of(house.settings.running, run) for run in registry.open_runs()]
    number = {"server": server, "worker": worker, "flow": flows[0] if flows else 0}[victim]
    with suppress(ProcessLookupError):
        if number:
            os.kill(number, signal.SIGKILL)
            return 1
    return 0


def losses(house: House) -> dict[str, int]:
    """What is not as it must be, a count each."""
    from prefect.client.schemas.filters import FlowRunFilter

    store = ArtifactStore(house.settings.artifact_root, house.settings.cache)
    with house.registry() as registry, house.client() as client:
        runs, history = registry.runs(MODEL, limit=10_000), registry.promotions(MODEL)
        line = registry.lineage(MODEL, registry.champion(MODEL).number)
        learned = Counter(one.digest for version in line for one in registry.learned_by(MODEL, version.number))
        collect(registry, store, timedelta(0))
        wanted = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING"]}}})
        running = client.read_flow_runs(flow_run_filter=wanted)
        known = {run.flow_run_id for run in registry.open_runs()}
        return {
            "weeks that were not learned": len(registry.pending(MODEL))
            + house.weeks
            - len(registry.landed_files(MODEL)),
            "weeks learned twice in the champion's line": sum(count > 1 for count in learned.values()),
            "gaps in the promotions": sum(one.sequence != place for place, one in enumerate(history, 1)),
            "runs that ended without a reason": sum(not (run.finished_at and run.reason) for run in runs),
            "files that the registry names and that are gone": len(registry.named_files() - set(store.find())),
            "orphans after gc": len(orphans(registry, store, timedelta(0))),
            "runs Running in the UI that are not": sum(str(run.id) not in known for run in running),
        }


PARTS = {"no-new-data": no_new_data, "ready": ready, "short-runs": short_runs, "secret": secret, "chaos": chaos}


def main(words: Sequence[str]) -> int:
    """Measure the parts that are asked for; 1 if a claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--weeks", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    asked, claims = parser.parse_args(words), Claims()
    place = f"ftp://shop:{SECRET}@127.0.0.1:9/rows"
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, house(Path(folder), LEAKY=place) as at_home:
        at_home.land()
        at_home.begin()
        at_home.run(f"bootstrap/bootstrap-{MODEL}", 600)
        print("claim | measured | goal | holds\n--- | --- | --- | ---")
        for part in asked.only:
            PARTS[part](at_home, claims, asked)
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
