"""Where the time of a retrain of about a minute goes: `python -m benchmarks.minute_retrain`.

Which share of it is neither base pass nor gradient steps? Imports, arrivals, the drift check, validation, the registry,
Prefect and the gate are left. One retrain learns a month of images by the plan of
models/digits.py; the other one learns a year's backlog of flights, whose head is so small that it takes 120 epochs to
fill a minute. Both are whole processes on a running Prefect server.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import large_digits, whole_retrain
from benchmarks.claims import Claims
from benchmarks.whole_retrain import land, prefect_server, run
from settings import get_settings

MODULE = "benchmarks.minute_retrain"
YEAR = range(9, 53)
EPOCHS = 120
IMAGES = 26_000


def main() -> int:
    """Measure both claims; 1 if one does not hold."""
    claims = Claims()
    shares = {}
    with TemporaryDirectory() as folder, prefect_server(Path(folder)) as environment:
        for model in ("digits", "flights"):
            run(environment, MODULE, "bootstrap", model)
            shares[model] = float(run(environment, MODULE, "retrain", model).split()[-1])
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    for model, share in shares.items():
        claims.at_most(f"time outside base pass and gradient steps: {model}", share, 0.15)
    return claims.exit_code


def bootstrap(model: str) -> None:
    """Version 1, and then the rows to learn from are landed."""
    from flows.bootstrap import bootstrap as flow

    if model == "flights":
        whole_retrain.bootstrap()
        land(Path(get_settings().landing), YEAR)
        return
    learn_large_digits()
    for month in range(1, 4):
        land_images(month, 1_500)
    flow("digits")
    land_images(4, IMAGES)


def retrain(model: str) -> None:
    """The command; prints its seconds, and the share of them outside base pass and gradient steps."""
    started = time.perf_counter()
    spent = stopwatches()
    if model == "flights":
        whole_retrain.retrain("promoted", EPOCHS)
    else:
        from cli.main import retrain as command

        learn_large_digits()
        command("digits")
    whole = time.perf_counter() - started
    print(f"{model}: {whole:.0f} s, {sum(spent):.0f} s of them base pass and gradient steps", file=sys.stderr)
    print(1 - sum(spent) / whole)


def stopwatches() -> list[float]:
    """Seconds of base pass and gradient steps, as they are spent from now on; a watch inside another stands still."""
    from learning import loop
    from learning.features import FrozenBase

    spent: list[float] = []
    running: list[bool] = []

    def counted(part: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            running.append(True)
            started = time.perf_counter()
            result = part(*arguments)
            running.pop()
            if not running:
                spent.append(time.perf_counter() - started)
            return result

        return call

    loop._run_epoch = counted(loop._run_epoch)  # noqa: SLF001 - it has no public part that is only the steps
    FrozenBase.write_features = counted(FrozenBase.write_features)  # type: ignore[method-assign]
    return spent


def learn_large_digits() -> None:
    """Let the name of the digits stand for those of 32 x 32 pixels."""
    from models import digits

    digits.spec = large_digits.spec


def land_images(month: int, rows: int) -> None:
    """Write a month of large digits where they arrive."""
    path = Path(get_settings().landing) / "digits" / f"month{month}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    large_digits.month(month, rows).write_parquet(path)
    os.utime(path, (1, 1))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["bootstrap", model]:
            bootstrap(model)
        case ["retrain", model]:
            retrain(model)
        case _:
            sys.exit(main())
