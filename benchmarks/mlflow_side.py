"""MLflow's part of benchmarks/registry.py, run in .venv-bench: reads `WORK COUNT` lines, answers with seconds.

What is timed is what its documentation shows: a run with five metrics, a version with tags that say what it is
and what it learned from, the run's end; an alias set to another version; all versions ordered by a metric.
"""

from __future__ import annotations

import logging
import sys
import time
from itertools import count

from mlflow import MlflowClient
from mlflow.entities import Metric

MODEL = "flights"


class Mlflow:
    """A tracking store and model registry in one SQLite file."""

    def __init__(self, url: str) -> None:
        self.client = MlflowClient(tracking_uri=url, registry_uri=url)
        self.experiment = self.client.create_experiment(MODEL)
        self.client.create_registered_model(MODEL)
        self.numbers = count(1)

    def register(self, times: int) -> None:
        """Versions with five metrics, their parent, digests and partitions."""
        for _ in range(times):
            number = next(self.numbers)
            run = self.client.create_run(self.experiment, tags={"trigger": "by hand"}).info.run_id
            now = int(time.time() * 1000)
            self.client.log_batch(run, metrics=[Metric(f"m{k}", k + 1 / number, now, 0) for k in range(5)])
            tags = {
                "parent": str(number - 1),
                "base": "base",
                "head": f"head-{number}",
                "trained": "p1,p2",
                "plan": "{}",
            }
            self.client.create_model_version(MODEL, source=f"runs:/{run}/model", run_id=run, tags=tags)
            self.client.set_terminated(run)

    def promote(self, times: int) -> None:
        """Point the champion alias at one version after the other."""
        for turn in range(times):
            self.client.set_registered_model_alias(MODEL, "champion", str(1 + turn % 10))

    def order(self, _times: int) -> None:
        """All versions by a metric: the metric belongs to the run, so the client joins."""
        versions, runs, page = [], {}, None
        while True:
            found = self.client.search_model_versions(f"name='{MODEL}'", max_results=1000, page_token=page)
            versions += found
            page = found.token
            if not page:
                break
        while True:
            found = self.client.search_runs([self.experiment], max_results=1000, page_token=page)
            runs.update({run.info.run_id: run.data.metrics["m0"] for run in found})
            page = found.token
            if not page:
                break
        sorted(versions, key=lambda version: runs[version.run_id])


def main(url: str) -> None:
    """Do what each line says, until there are no more."""
    logging.disable()
    side = Mlflow(url)
    print("ready", flush=True)
    for line in sys.stdin:
        work, times = line.split()
        started = time.perf_counter()
        getattr(side, work)(int(times))
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
