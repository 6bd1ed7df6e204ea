"""What it takes to go through a year of flights under twelve policies: `python -m benchmarks.backtest [PART ...]`.

    year      twelve policies in two processes; then again, with one more, and with nothing new
    retrain   processor seconds of a policy's year by those of as many `evergreen retrain`, extrapolated from three
    kill      killed twice in the middle, it comes to the same table

Each part goes on from the same folder (`--home`), so that `year` comes first; `--weeks 12
--policies 2` is a small run of all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.claims import Claims
from evaluation.backtests import Backtest, from_json

MODEL, FROM = "flights", "2013-02-26T12:00"  # eight weeks of New York are over at five, in UTC
POLICIES = (
    "never", "weekly", "monthly", "monitoring", "gate=off", "scratch-monthly", "every=60d", "finetune.replay.share=0",
    "finetune.replay.share=3", "gate.rule=proven",
)  # fmt: skip
ONE_MORE = "gate.rule=not worse"
HISTORY, RETRAINS = 8, 3
SECONDS, GIB, YEAR = 600, 3, 0.35
EACH = 5  # of so many looks, one is at the memory too: it may miss a peak that is shorter
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Took:
    """What a command took: seconds, the most memory of all its processes at once, and their processor seconds.

    A page that n processes share counts an nth in each (Pss, see proc(5)): the libraries alone are 0.5 GB.
    """

    seconds: float
    memory: float
    processor: float


def main() -> int:
    """Print the claims of some parts; 1 if one does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--home", type=Path, default=Path("/tmp/evergreen-backtest"))  # noqa: S108 - a benchmark's
    parser.add_argument("--weeks", type=int, default=52)
    parser.add_argument("--policies", type=int, default=len(POLICIES), help="only the first ones, for a small run")
    options = parser.parse_args()
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    claims = Claims()
    for part in options.part or PARTS:
        PARTS[part](Size(options.home, options.weeks, POLICIES[: options.policies]), claims)
    return claims.exit_code


@dataclass(frozen=True)
class Size:
    """Where all of it is kept, how many weeks there are, and under which policies they are gone through."""

    home: Path
    weeks: int
    policies: Sequence[str]


def year(size: Size, claims: Claims) -> None:
    """Twelve policies; one more; and nothing new."""
    home = size.home / "year"
    land(home, range(1, size.weeks + 1))
    shutil.rmtree(home / "backtests", ignore_errors=True)
    first = backtest(home, size.policies)
    steps = len(found(home).policy("present").steps)
    claims.at_most(f"{len(size.policies) + 2} policies, {steps} steps", first.seconds, SECONDS, "s")
    claims.at_most("memory of all its processes", first.memory / 2**30, GIB, "GiB")
    claims.show("its processor seconds", first.processor, "s")
    more, nothing = (backtest(home, (*size.policies, ONE_MORE)) for _ in range(2))
    alone = sum(step.cpu_s for step in found(home).policy(ONE_MORE).steps)
    claims.at_most("one more policy by itself alone", (more.processor - nothing.processor) / alone, 1.2)
    claims.show("with nothing new", nothing.seconds, "s")


def retrain(size: Size, claims: Claims) -> None:
    """A policy's year by as many retrains, each in a process of its own, as on a schedule, though without a server."""
    home = size.home / "retrain"
    shutil.rmtree(home, ignore_errors=True)
    land(home, range(1, HISTORY + 1))
    command(home, "bootstrap", MODEL)
    spent = []
    for week in range(HISTORY + 1, HISTORY + 1 + min(RETRAINS, size.weeks - HISTORY)):
        land_files(home, [week])
        spent.append(command(home, "retrain", MODEL).processor)
    steps = found(size.home / "year").policy("present").steps  # of flights, a retrain for each week
    own = sum(step.cpu_s for step in steps)
    claims.show(f"`evergreen retrain`, mean of {len(spent)}, processor seconds", sum(spent) / len(spent), "s")
    claims.at_most("a weekly policy's year by as many of them", own / (len(steps) * sum(spent) / len(spent)), YEAR)


def kill(size: Size, claims: Claims) -> None:
    """Killed at a third and at two thirds of its steps, it ends with the table of one that was not."""
    home, whole = size.home / "kill", within(found(size.home / "year"))
    land(home, range(1, size.weeks + 1))
    shutil.rmtree(home / "backtests", ignore_errors=True)
    steps = sum(len(policy.steps) for policy in whole.policies)
    for share in (1 / 3, 2 / 3):
        backtest(home, size.policies, kill_after=max(1, int(share * steps)))
    backtest(home, size.policies)
    same = table(found(home)) == table(whole)
    claims.at_least("killed twice, the same table", float(same), 1, "")


PARTS = {"year": year, "retrain": retrain, "kill": kill}


def table(of: Backtest) -> Backtest:
    """A backtest without the time that it took."""
    policies = (replace(p, steps=tuple(replace(step, cpu_s=0.0) for step in p.steps)) for p in of.policies)
    return replace(of, policies=tuple(policies))


def within(of: Backtest) -> Backtest:
    """A backtest without the one policy more."""
    return replace(of, policies=tuple(policy for policy in of.policies if policy.policy != ONE_MORE))


def land(home: Path, weeks: Sequence[int]) -> None:
    """A home where these weeks were taken, each as a partition; made once."""
    from arrivals.ingest import ingest
    from db.artifacts import ArtifactStore
    from db.registry import open_registry
    from models.flights import spec
    from settings import Settings

    settings = Settings(home=home)
    land_files(home, weeks)
    with open_registry(settings.database_url) as registry:
        registry.add_model(MODEL)
        store = ArtifactStore(settings.artifact_root, settings.cache)
        ingest(spec, registry, store, landing=settings.landing, cache=settings.cache)


def land_files(home: Path, weeks: Sequence[int]) -> None:
    """Write weeks of flights, with times that say they are settled."""
    from demo.flights import flights_week

    folder = home / "landing" / MODEL
    folder.mkdir(parents=True, exist_ok=True)
    for week in weeks:
        path = folder / f"{week:03}.parquet"
        if not path.exists():
            flights_week(week).write_parquet(path)
            os.utime(path, (1, 1))


def found(home: Path) -> Backtest:
    """The newest backtest of a home."""
    return from_json((home / "backtests" / MODEL / "newest.json").read_text(encoding="utf-8"))


def backtest(home: Path, policies: Sequence[str], kill_after: int = 0) -> Took:
    """Run it in two processes; with `kill_after`, until so many steps were made."""
    asked = [word for policy in policies for word in ("--policy", policy)]
    return command(home, "backtest", MODEL, *asked, "--from", FROM, "--workers", "2", kill_after=kill_after)


def command(home: Path, *words: str, kill_after: int = 0) -> Took:
    """Run `evergreen`, in a process group of its own, and look at its processes once a second, at their memory less."""
    environment = os.environ | {"EVERGREEN_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}
    began, most, spent, looks = time.monotonic(), 0, dict[int, float](), 0
    started = [sys.executable, "-m", "cli.main", *words]
    with subprocess.Popen(started, env=environment, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            while process.poll() is None:
                time.sleep(1)
                seen = dict(processes(process.pid))
                spent |= seen
                if looks % EACH == 0:  # to add up a process' pages takes the kernel 50 ms, in which it gets no new ones
                    most = max(most, sum(map(memory, seen)))
                looks += 1
                if kill_after and steps_made(home) >= kill_after:
                    os.killpg(process.pid, signal.SIGKILL)
        finally:
            if process.poll() is None:  # somebody has stopped the benchmark
                os.killpg(process.pid, signal.SIGKILL)
        if process.returncode and not kill_after:
            raise SystemExit(f"evergreen {' '.join(words)} ended with {process.returncode}")
    return Took(time.monotonic() - began, most, sum(spent.values()))


def processes(session: int) -> Iterator[tuple[int, float]]:
    """Number and processor seconds of each process of a session, but of one that ends meanwhile."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(words[3]) == session:
                yield int(path.parent.name), (int(words[11]) + int(words[12])) / CLOCK_TICKS


def memory(process: int) -> int:
    """Bytes of a process; 0 of one that has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        held = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").partition("\nPss:")[2].split()
        return 1024 * int(held[0]) if held else 0
    return 0


def steps_made(home: Path) -> int:
    """How many steps were made, of all policies."""
    return sum(int(path.stem[-5:]) for path in (home / "backtests" / MODEL).glob("*/*/step-*.db"))


if __name__ == "__main__":
    sys.exit(main())
