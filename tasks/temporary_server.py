"""The temporary Prefect server of a run without one: its process outlives a killed run, until somebody ends it."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

MARK = "prefect.server.api.server:create_app"  # in the command of every Prefect server
WORDS_OF_A_DATE = 5


def started_here() -> str:
    """The number and birth of the temporary server that this process started; "" if there is none."""
    lines = (line.split(maxsplit=2 + WORDS_OF_A_DATE) for line in listed("-A", "ppid=,pid=,lstart=,args="))
    mine = (words for words in lines if words[0] == str(os.getpid()) and MARK in words[-1])
    return next((" ".join(words[1 : 2 + WORDS_OF_A_DATE]) for words in mine), "")


def end(noted: str) -> bool:
    """End a temporary server whose run was killed; whether it was there still.

    Args:
        noted: what `started_here` said of it. Its number alone may be another process's by now.
    """
    number, _, birth = noted.partition(" ")
    for line in listed("-p", "lstart=,args=", number) if number else ():
        if " ".join(line.split()[:WORDS_OF_A_DATE]) == birth and MARK in line:
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGTERM)
                return True
    return False


def listed(which: str, columns: str, *number: str) -> list[str]:
    """Processes, a line each; none where the system has no `ps`. The dates are in English wherever this runs."""
    command = ["ps", which, *number, "-ww", "-o", columns]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
    except OSError:  # slim images come without it: what was killed leaves its server there, and no run fails for that
        return []
    return [line for line in shown.stdout.splitlines() if line.strip()]
