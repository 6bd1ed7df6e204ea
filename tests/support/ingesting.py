"""One process that takes what arrived: `python ingesting.py HOME DATABASE CORRECTIONS`, once a line on its input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from arriving import Port

if __name__ == "__main__":
    port = Port(Path(sys.argv[1]), database=sys.argv[2]).with_source(corrections=sys.argv[3])
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    arrived = port.ingest()
    print(json.dumps([partition.digest for partition in arrived.partitions]))  # noqa: T201
