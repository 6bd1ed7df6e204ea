"""The registry beside MLflow 3's, on SQLite: `python -m benchmarks.registry`, or `make bench-registry`.

Both work in turn, in rounds, so that a busy machine slows both; the ratios are medians over the rounds. Each uses
SQLite as it sets it up itself: ours in WAL mode with synchronous = NORMAL, MLflow's with SQLite's defaults. The
figures at many versions are absolute: they are promises to whoever waits for them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import insert

from benchmarks.an_environment import python_of
from benchmarks.claims import Claims
from clock import now
from db import tables
from db.arrival_records import NewArrival, NewLandedFile, NewPartition
from db.engine import session_scope
from db.records import NewVersion
from db.registry import ModelRegistry, open_registry
from evergreen_client.artifacts import StoredArtifact

MODEL = "flights"
HERE = Path(__file__).parent
BENCH = HERE.parent / ".venv-bench"
ROUNDS = int(os.environ.get("ROUNDS", "7"))
TIMES = 20  # of each work, in a round


class Evergreen:
    """Our part: the same facts, in one transaction each."""

    def __init__(self, registry: ModelRegistry) -> None:
        self.registry, self.numbers, self.sequence = registry, count(1), 0
        registry.add_model(MODEL)
        self.run = registry.start_run(MODEL, trigger="by hand").id
        at = now()
        rows = (NewPartition(MODEL, name, "file", name, "0" * 64, 1, 100, 20, 90, at, at) for name in ("p1", "p2"))
        file = NewLandedFile("file", "file", "rules", "ingest", rows=200, taken=200)
        registry.record_arrival(NewArrival(MODEL, 0, file, tuple(rows)))

    def register(self, times: int) -> None:
        """Versions with five metrics, their parent, files and partitions."""
        for _ in range(times):
            number = next(self.numbers)
            self.registry.register(
                NewVersion(
                    MODEL,
                    run_id=self.run,
                    parent=number - 1 or None,
                    base=StoredArtifact("base", "base", "base.keras", "0" * 64, 1),
                    head=StoredArtifact(f"head-{number}", "head", f"head-{number}.keras", "0" * 64, 1),
                    plan={"replay": 1.0},
                    trained=("p1", "p2"),
                    metrics={f"m{k}": k + 1 / number for k in range(5)},
                )
            )

    def promote(self, times: int) -> None:
        """Promote one version after the other."""
        for turn in range(times):
            done = self.registry.promote(
                MODEL, 1 + turn % 10, seen=self.sequence, kind="promote", actor="benchmark", reason="its turn"
            )
            self.sequence = done.sequence


@contextmanager
def mlflow(folder: Path) -> Iterator[Callable[[str, int], float]]:
    """MLflow in its own environment, made on first use; call it with a work and how often."""
    python = python_of(BENCH, "requirements-mlflow.txt")
    command = [str(python), str(HERE / "mlflow_side.py"), f"sqlite:///{folder / 'mlflow.db'}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdin.readline is not None
        assert process.stdout.readline() == "ready\n"

        def work(name: str, times: int) -> float:
            process.stdin.write(f"{name} {times}\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        try:
            yield work
        finally:
            process.stdin.close()


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Wall time of one call; of several, the median."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)


def fill(registry: ModelRegistry, model: str, versions: int) -> None:
    """Add many judged versions with five metrics each, past the registry: how they came is not what is measured."""
    registry.add_model(model)
    with session_scope(registry.engine) as session:
        at = now()
        model_id = session.query(tables.Model.id).filter_by(name=model).scalar()
        files = [
            {"digest": f"{model}-{part}", "kind": part, "uri": f"{model}-{part}", "sha256": "0" * 64, "bytes": 1}
            for part in ("base", "head")
        ]
        session.execute(insert(tables.Artifact), [file | {"created_at": at} for file in files])
        first = (session.query(tables.Version).count() or 0) + 1
        rows = [
            {
                "id": first + place,
                "model_id": model_id,
                "number": place + 1,
                "parent_id": None,
                "base_digest": f"{model}-base",
                "head_digest": f"{model}-head",
                "plan": {"replay": 1.0},
                "environment": {"keras": "3.15"},
                "created_at": at,
            }
            for place in range(versions)
        ]
        session.execute(insert(tables.Version), rows)
        figures = [
            {"version_id": row["id"], "name": f"m{k}", "value": k + (row["number"] * 7919 % versions) / versions}
            for row in rows
            for k in range(5)
        ]
        session.execute(insert(tables.VersionMetric), figures)
        judged = [
            {"id": row["id"], "challenger_id": row["id"], "champion_id": first, "passed": False, "reason": "", "at": at}
            for row in rows
        ]
        session.execute(insert(tables.Evaluation), judged)
        verdicts = [
            {
                "evaluation_id": row["id"],
                "dataset": "newest",
                "slice": "",
                "metric": "m0",
                "position": 0,
                "rows": 1000,
                "champion_value": 0.5,
                "challenger_value": 0.4,
                "delta": -0.2,
                "verdict": "same",
            }
            for row in rows
        ]
        session.execute(insert(tables.EvaluationMetric), verdicts)
    number = versions // 2
    registry.promote(model, number, seen=0, kind="bootstrap", actor="benchmark", reason="in the middle")


def beside_mlflow(claims: Claims, folder: Path) -> None:
    """Registrations and promotions, in turn."""
    ratios: dict[str, list[float]] = {"register": [], "promote": []}
    rates: dict[str, list[float]] = {"register": [], "promote": []}
    with open_registry(f"sqlite:///{folder / 'evergreen.db'}") as registry, mlflow(folder) as theirs:
        ours = Evergreen(registry)
        works: dict[str, Callable[[int], None]] = {"register": ours.register, "promote": ours.promote}
        for turn in range(ROUNDS + 1):
            for name, work in works.items():
                mine = seconds(lambda work=work: work(TIMES))  # type: ignore[misc]
                other = theirs(name, TIMES)
                if turn:  # the first round warms both up
                    ratios[name].append(other / mine)
                    rates[name].append(TIMES / mine)
        versions = (ROUNDS + 1) * TIMES
        ordered = theirs("order", 1)
        mine = seconds(lambda: registry.versions(MODEL, order_by="m0"), 5)
    print(f"# {median(rates['register']):.0f} registrations and {median(rates['promote']):.0f} promotions a second")
    claims.at_least(
        "a version with 5 metrics and lineage, as fast as MLflow's run + metrics + version + tags",
        median(ratios["register"]),
        5,
    )
    claims.at_least("a promotion, as fast as MLflow's alias update", median(ratios["promote"]), 5)
    print(f"# {versions} versions ordered by a metric: {mine * 1e3:.1f} ms, MLflow {ordered * 1e3:.1f} ms")


def at_scale(claims: Claims, folder: Path) -> None:
    """Reading, where there are many versions."""
    with open_registry(f"sqlite:///{folder / 'large.db'}") as registry:
        fill(registry, "small", 1_000)
        fill(registry, "middle", 5_000)
        fill(registry, "large", 100_000)
        page = seconds(lambda: registry.versions("middle", order_by="m0", limit=20), 21)
        everything = seconds(lambda: registry.versions("middle", order_by="m0"), 11)
        small = seconds(lambda: registry.champion("small"), 301)
        large = seconds(lambda: registry.champion("large"), 301)
    claims.at_most("the best 20 of 5,000 versions by a metric", page * 1e3, 50, "ms")
    claims.at_most("all 5,000 versions ordered by a metric", everything * 1e3, 50, "ms")
    claims.at_most("the champion among 100,000 versions", large * 1e3, 1, "ms")
    claims.at_most("the same, beside one among 1,000", large / small, 1.25)


def command_line(claims: Claims, folder: Path) -> None:
    """A whole process, from start to exit."""
    environment = os.environ | {"EVERGREEN_HOME": str(folder), "EVERGREEN_DATABASE_URL": f"sqlite:///{folder}/large.db"}
    evergreen = [str(Path(sys.executable).with_name("evergreen")), "registry", "champion", "large"]

    def ask() -> None:
        done = subprocess.run(evergreen, env=environment, capture_output=True, check=True)
        assert b"version 50000" in done.stdout, json.dumps(done.stdout.decode())

    ask()
    claims.at_most("`evergreen registry champion`, the whole process", seconds(ask, 9), 0.5, "s")


def main() -> int:
    """Measure everything; 1 if a claim does not hold."""
    claims = Claims()
    with TemporaryDirectory() as name:
        folder = Path(name)
        beside_mlflow(claims, folder)
        at_scale(claims, folder)
        command_line(claims, folder)
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
