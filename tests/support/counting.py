"""A base that counts its passes, for tests of the feature cache in several processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evergreen_client.durable import written_whole
from learning.data import PartitionFile
from learning.features import FeatureCache


class CountingBase:
    """A base that writes four features a row and counts its passes in a file, slowly enough to be raced."""

    def __init__(self, log: Path, digest: str = "base", rows: int = 10) -> None:
        self.log, self.digest, self.rows = log, digest, rows

    def write_features(self, partition: PartitionFile, path: Path) -> None:
        """Write features as FrozenBase does."""
        with self.log.open("a") as log:
            log.write(f"{partition.digest}\n")
        with written_whole(path) as temporary:
            np.save(temporary, np.full((self.rows, 4), 7, "float32"))

    @property
    def passes(self) -> int:
        """How often features were computed."""
        return len(self.log.read_text().splitlines())


def part(digest: str) -> PartitionFile:
    """A partition that is only a name."""
    return PartitionFile(digest, Path("nowhere"))


def open_entry(folder: Path) -> None:
    """Ask for an entry that is not there yet."""
    FeatureCache(folder / "cache").open(CountingBase(folder / "log"), part("p"))
