"""Features of partitions, computed once and kept: the frozen base gives each row the same ones for ever."""

from __future__ import annotations

import errno
import functools
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec
from evergreen_client.batches import in_batches, row_bytes, rows_at_once
from evergreen_client.durable import TEMPORARY, remove_whatever, written_whole
from evergreen_client.model_files import load_model
from learning.data import Indices, PartitionFile, count_rows, read_inputs
from learning.digests import json_digest
from learning.environment import custom_digest, environment
from learning.files import locked
from learning.schema import TEXT_BYTES

if TYPE_CHECKING:
    import keras

    from learning.examples import Read
    from learning.spec import Schema

READ_BYTES = 128 * 2**20  # of rows and their features in memory at once, however large the partition is
MAX_BYTES = 20 * 2**30
SEAL = 8  # bytes at the end of an entry: its checksum
TRIES = 3
Features = NDArray[np.float32]
BASES = 4  # that are kept in memory: a champion's, its challenger's, and those of the two before
BASE_BYTES = 32 * 2**20  # of all of these together; the newest is kept however large it is
_newest: list[FrozenBase] = []
CHECKED: ContextVar[set[tuple[Path, int]] | None] = ContextVar("checked", default=None)  # paths, and which files


class FeatureCache:
    """One memory-mapped array per (base, partition), in files that any number of processes share.

    An entry appears whole or not at all, and is believed only if its checksum, which its name is part of, is right:
    one that was changed, swapped or cut is computed again. Of several processes that want a missing one, one computes
    it while the others wait on a lock that the operating system releases when its holder is killed. Above `max_bytes`
    the entries that were not used for longest go. Always whole partitions, in batches of one size: a row's features
    then are bit-identical whether they were cached or not, and so is what is trained on them.

    Args:
        root: folder of the cache; it may be deleted at any time.
        max_bytes: size above which entries are evicted.
    """

    def __init__(self, root: Path, max_bytes: int = MAX_BYTES) -> None:
        self.root, self.max_bytes = root, max_bytes

    def open(self, base: FrozenBase, partition: PartitionFile) -> Features:
        """Features of all the partition's rows, in file order, read from disk as they are touched.

        Raises:
            FileNotFoundError: the partition's file is gone, or somebody empties the cache again and again.
        """
        path = self._path(base, partition)
        for left in reversed(range(TRIES)):
            try:
                if (entry := _mapped(path)) is not None:
                    return entry
                self._make(base, partition, path)
            except FileNotFoundError:  # somebody emptied the cache meanwhile
                if not left:
                    raise
        raise FileNotFoundError(errno.ENOENT, "it is removed again and again", str(path))

    def find(self, base: FrozenBase, partition: PartitionFile) -> Features | None:
        """The same as `open` gives, if it is there; nothing is computed."""
        return _mapped(self._path(base, partition))

    def _path(self, base: FrozenBase, partition: PartitionFile) -> Path:
        return self.root / self._folder(base) / f"{partition.digest}.npy"

    def _make(self, base: FrozenBase, partition: PartitionFile, path: Path) -> None:
        """Compute an entry, unless another process does."""
        lock = path.with_suffix(".lock")
        for folder in (self.root, path.parent):
            if not folder.is_dir():
                remove_whatever(folder)
                folder.mkdir(parents=True, exist_ok=True)
        if lock.is_dir():
            remove_whatever(lock)
        with locked(lock):
            if _mapped(path) is not None:  # whoever held the lock before has made it
                return
            # Only the holder of the lock writes this entry, so what lies here was left by one that was killed.
            for abandoned in [path, *path.parent.glob(f".{path.stem}.*{TEMPORARY}*")]:
                remove_whatever(abandoned)
            with written_whole(path, sync=False) as temporary:  # what a power cut tears, its checksum tells
                base.write_features(partition, temporary)
                seal = _seal(np.memmap(temporary, mode="r"), path)
                with temporary.open("ab") as file:
                    file.write(seal)
            self._evict(keep=path)

    def reader(self, base: FrozenBase) -> Read:
        """A function that gives the features of some rows of a partition; each entry is opened once."""
        features = functools.cache(functools.partial(self.open, base))

        def read(partition: PartitionFile, rows: Indices) -> Features:
            return np.asarray(features(partition)[rows])

        return read

    def _folder(self, base: FrozenBase) -> str:
        """Other versions of the libraries, or of the user's own layers, make other features of the same base."""
        return json_digest([base.digest, sorted(environment().items()), custom_digest()])

    def _evict(self, keep: Path) -> None:
        """Delete the entries that were not used for longest, until the rest fits."""
        entries = []
        for path in self.root.glob("*/[!.]*.npy"):  # those with a dot are being written just now
            try:
                status = path.stat()
            except FileNotFoundError:  # another process evicts too
                continue
            entries.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.max_bytes:
                return
            if path != keep:
                remove_whatever(path)  # a process that has it mapped keeps its pages
                total -= size


class FrozenBase:
    """A base in inference mode, loaded only when features are missing.

    Args:
        path: its `.keras` file.
        digest: of its weights and structure.
        schema: the columns it takes.
    """

    def __init__(self, path: Path, digest: str, schema: Schema) -> None:
        self.path, self.digest, self.schema = path, digest, schema
        self._bytes = 0

    @functools.cached_property
    def model(self) -> keras.Model:
        """The base itself.

        Raises:
            InvalidSpec: it takes other columns than the schema has.
        """
        model = load_model(self.path)
        taken = sorted(tensor.name for tensor in model.inputs)
        if taken != sorted(self.schema.taken):
            raise InvalidSpec(
                f"a base with the inputs {taken}",
                f"the schema's are {sorted(self.schema.taken)}",
                "bring the schema's inputs back; a model with others is another one: give it a name of its own",
            )
        model.trainable = False
        return model

    @property
    def bytes(self) -> int:
        """Size of its file, which is that of its weights, or about; 0 for as long as it is not there."""
        if not self._bytes and self.path.exists():
            self._bytes = self.path.stat().st_size
        return self._bytes

    def write_features(self, partition: PartitionFile, path: Path) -> None:
        """Run all rows of a partition through the base, into a new file."""
        rows = count_rows(partition)
        shape = tuple(self.model.outputs[0].shape[1:])
        size = rows_at_once(self.model)
        read = size * max(1, READ_BYTES // (size * (row_bytes(self.model) + TEXT_BYTES * len(self.schema.text))))
        features = np.lib.format.open_memmap(path, mode="w+", dtype="float32", shape=(rows, *shape))
        if hasattr(os, "posix_fallocate"):  # on a full disk this is an error; a mapped page would be a crash
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        for first in range(0, rows, read):
            block = np.arange(first, min(first + read, rows))
            features[first : first + len(block)] = self.features(read_inputs(self.schema, partition, block))

    def of_rows(self, partition: PartitionFile, rows: Indices) -> Features:
        """Features of some rows alone, which are not kept: of a base that is on its way to another one."""
        stretch = max(1, READ_BYTES // row_bytes(self.model))
        pieces = [rows[start : start + stretch] for start in range(0, max(len(rows), 1), stretch)]
        return np.concatenate([self.features(read_inputs(self.schema, partition, piece)) for piece in pieces])

    def features(self, inputs: dict[str, NDArray[np.generic]]) -> Features:
        """Features of raw rows."""
        import tensorflow as tf

        return np.asarray(self._forward(tf.nest.map_structure(tf.constant, inputs)))

    @functools.cached_property
    def _forward(self) -> Callable[..., object]:
        """The base's one graph, for any number of rows."""
        import tensorflow as tf

        rows = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in self.model.inputs}
        return in_batches(self.model, signature=[rows])


def frozen_base(path: Path, digest: str, schema: Schema) -> FrozenBase:
    """A base, the very one that was asked for before if that was lately: to load and trace one takes over a second."""
    alike = (one for one in _newest if (one.path, one.digest, one.schema) == (path, digest, schema))
    found = next(alike, None) or FrozenBase(path, digest, schema)
    _newest[:] = [found, *(one for one in _newest if one is not found)][:BASES]
    while sum(one.bytes for one in _newest) > BASE_BYTES and len(_newest) > 1:
        _newest.pop()
    return found


@contextmanager
def checked_once() -> Iterator[None]:
    """Let entries be read without their checksum once it was right: a backtest reads each a hundred times."""
    token = CHECKED.set(set())
    try:
        yield
    finally:
        CHECKED.reset(token)


def _mapped(path: Path) -> Features | None:
    """The entry, marked as used just now; None where there is none, or one that is not as it was written."""
    try:
        os.utime(path)
        known, entry = CHECKED.get(), (path, path.stat().st_ino)
        if known is None or entry not in known:
            written = np.memmap(path, mode="r")
            if written[-SEAL:].tobytes() != _seal(written[:-SEAL], path):
                return None
            if known is not None:
                known.add(entry)
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError):
        return None


def _seal(written: NDArray[np.uint8], path: Path) -> bytes:
    """CRC-32 of an entry, begun with its name: enough against accidents, at twice the speed of SHA-256."""
    name = f"{path.parent.name}/{path.name}".encode()
    return f"{zlib.crc32(written.data, zlib.crc32(name)):0{SEAL}x}".encode()
