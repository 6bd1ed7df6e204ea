"""Processes that learn online are killed at random moments, and the next one comes to the bits of one that was not."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis_server import running_redis
from streaming import Place, bits, event, learn, write

from settings import Settings

EVENTS, KILLS = 2_000, 4
COUNT = 800  # entries of a Redis stream


def learning(source: str) -> subprocess.Popen[str]:
    """A process that learns a stream."""
    code = f"from streaming import learn; learn({source!r})"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, 'tests/support'); {code}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent.parent)


def learned_to_the_end(source: str) -> None:
    """Let a process learn all that is left."""
    process = learning(source)
    process.communicate()
    assert process.returncode == 0


def learned_though_killed(source: str, targets: list[int], draw: random.Random) -> None:
    """Kill a process whenever it has come so far, a moment later, and let the last one come to the end."""
    for target in targets:
        process = learning(source)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= target:
                time.sleep(draw.uniform(0, 0.1))
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
        process.stdout.close()
    learned_to_the_end(source)


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
    learned_to_the_end(str(whole))
    learned_though_killed(str(killed), sorted(draw.sample(range(1, EVENTS), KILLS)), draw)
    one, other = (bits(registry, str(path)) for path in (killed, whole))
    assert one == other
    assert one[3] == len(events)


@pytest.mark.slow
def test_a_real_redis_server_is_read_exactly_once_though_the_process_is_killed(home: Settings, tmp_path: Path) -> None:
    """By its address and by its socket; entries that were trimmed, and a stream that began anew, are told."""
    home.home.mkdir(parents=True)
    place, draw = Place(), random.Random(8)  # noqa: S311 - a made stream
    with running_redis(tmp_path) as (server, address):
        for number in range(COUNT):
            fields = event(number) if number % 2 else {"event": json.dumps(event(number))}
            for stream in ("whole", "killed"):
                server.xadd(stream, fields, id=f"{1 + number}-1")
        learn(whole := f"{address}/whole")
        learned_though_killed(killed := f"unix://{tmp_path}/redis.sock/killed", [300], draw)
        one = bits(place.registry, killed)
        assert one == bits(place.registry, whole)
        assert one[3] == one[2]["learned"] + one[2]["held out"] == COUNT

        server.xadd("whole", event(1000), id="8000-1")
        server.xadd("whole", event(1001), id="9000-1")
        server.xtrim("whole", maxlen=1, approximate=False)
        server.delete("killed")
        server.xadd("killed", event(1002), id="1-1")
        for source, sentence in ((whole, "may have gone unread"), (killed, "was written anew")):
            with place.consumer(source) as consumer:
                for events in consumer.portions(0):
                    consumer.test_then_train(events)
                assert consumer.events == COUNT + 1
                assert [told for told in consumer.source.told if sentence in told]
