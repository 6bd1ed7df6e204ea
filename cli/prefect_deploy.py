"""`prefect deploy` in a process that has made its imports before: `python -m cli.prefect_deploy WORDS`.

It waits for a line on its standard input, which comes once a server answers. Where none comes, it does nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from subprocess import PIPE, STDOUT

from cli.printing import say
from errors import ServerFailed

MODULE = "cli.prefect_deploy"
WORDS = "--no-prompt", "deploy", "--all"


@contextmanager
def deploying(environment: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """Let a process make its imports; gives what lets it register the deployments, and waits for it."""
    command = [sys.executable, "-m", MODULE, *WORDS]
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=STDOUT, text=True) as process:
        try:
            yield partial(_deploy, process)
        finally:
            process.kill()


def _deploy(process: subprocess.Popen[str]) -> None:
    printed, _ = process.communicate("\n")
    refuse_failed(WORDS, process.returncode, printed)


def run_prefect(environment: Mapping[str, str], *words: str) -> None:
    """Run a Prefect command to its end; what it prints is shown only if it fails.

    Raises:
        ServerFailed: it failed.
    """
    command = [sys.executable, "-m", "prefect", *words]
    done = subprocess.run(command, env=environment, stdout=PIPE, stderr=STDOUT, text=True, check=False)
    refuse_failed(words, done.returncode, done.stdout)


def refuse_failed(words: tuple[str, ...], code: int, printed: str) -> None:
    """Raises ServerFailed, and shows what a Prefect command printed, where it ended with a code other than 0."""
    if code:
        say(printed, err=True)
        raise ServerFailed(f"prefect {' '.join(words)}", f"it ended with {code}", "see its output above")


def main() -> None:
    """Do what the words of the command say, as `prefect` does, once it is told to."""
    import prefect.deployments  # noqa: F401 - which the command itself would import only when told
    from prefect.cli import app

    import flows.retrain  # noqa: F401 - which imports most of what the flows of the deployments need

    if sys.stdin.readline():
        app()


if __name__ == "__main__":
    main()
