"""Processes that learn online are killed at random moments, and the next one comes to the bits of one that was not."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from streaming import Place, bits, event, write

from settings import Settings

EVENTS, KILLS = 2_000, 4


def learning(path: Path) -> subprocess.Popen[str]:
    """A process that learns a stream."""
    code = f"from streaming import learn; learn({str(path)!r})"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, 'tests/support'); {code}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent.parent)


def learned_to_the_end(path: Path) -> None:
    """Let a process learn all that is left."""
    process = learning(path)
    process.communicate()
    assert process.returncode == 0


@pytest.mark.slow
def test_killed_processes_come_to_the_bits_of_one_that_was_not(home: Settings, tmp_path: Path) -> None:
    """Labels come late, some events are malformed or come twice: weights, scores, counts, all is the same."""
    home.home.mkdir(parents=True)
    registry = Place().registry
    draw = random.Random(7)  # noqa: S311 - a made stream
    events: list[dict[str, object] | str] = []
    for number in range(EVENTS):
        events.append(event(number, late=None) if draw.random() < 0.2 else event(number))
        if number > 200 and draw.random() < 0.1:
            old = number - draw.randrange(200)
            events.append({"key": {"id": str(old), "at": event(old)["at"]}, "label": 1})
        if draw.random() < 0.05:
            events.append(draw.choice(["{", event(number), event(number, city="secret")]))
    whole, killed = (tmp_path / name for name in ("whole.jsonl", "killed.jsonl"))
    for path in (whole, killed):
        write(path, events)
    learned_to_the_end(whole)
    for target in sorted(draw.sample(range(1, EVENTS), KILLS)):
        process = learning(killed)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= target:
                time.sleep(draw.uniform(0, 0.1))
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
        process.stdout.close()
    learned_to_the_end(killed)
    one, other = (bits(registry, str(path)) for path in (killed, whole))
    assert one == other
    assert one[3] == len(events)
