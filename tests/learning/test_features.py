"""The feature cache: computed once, whole or not at all, never more than its size."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from counting import CountingBase, open_entry, part
from forked import forked

from evergreen_client.model_files import load_model
from learning.data import PartitionFile, read_inputs
from learning.features import FeatureCache, FrozenBase, frozen_base
from learning.files import ModelFiles, Trained
from learning.spec import ModelSpec

Partition = Callable[..., PartitionFile]


def test_features_are_those_of_the_base_in_inference_mode(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path
) -> None:
    """Whole partition, file order, no dropout, statistics as they are."""
    files, new = champion.files, partition("new")
    frozen = FrozenBase(files.base, files.base_digest, spec.schema)
    cached = FeatureCache(tmp_path / "cache").open(frozen, new)
    expected = load_model(files.base)(read_inputs(spec.schema, new), training=False)
    np.testing.assert_allclose(cached, expected, rtol=1e-6)


def test_a_cached_partition_needs_no_base(tmp_path: Path) -> None:
    """Epochs, evaluation and later runs share one pass; another process finds it too."""
    base = CountingBase(tmp_path / "log")
    for _ in range(2):
        FeatureCache(tmp_path / "cache").open(base, part("p"))
    assert base.passes == 1


def test_bases_that_are_asked_in_turn_are_loaded_once(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a champion from scratch and of the one before it are, at each run; of large ones only the newest."""
    paths = [tmp_path / f"{name}.keras" for name in ("champion", "predecessor")]
    for path in paths:
        path.write_bytes(b"a base")

    def both() -> list[FrozenBase]:
        return [frozen_base(path, path.stem, spec.schema) for path in paths]

    first = both()
    assert all(one is other for one, other in zip(first, both(), strict=True))
    monkeypatch.setattr("learning.features.BASE_BYTES", 10)
    large = both()
    assert not any(one is other for one, other in zip(large, both(), strict=True))
    assert frozen_base(paths[1], paths[1].stem, spec.schema) is frozen_base(paths[1], paths[1].stem, spec.schema)


def test_a_base_that_is_fetched_later_has_its_size_from_then_on(spec: ModelSpec, tmp_path: Path) -> None:
    """Else large ones count as nothing, and all are kept in memory; a loaded one stays as large without its file."""
    base = FrozenBase(tmp_path / "base.keras", "digest", spec.schema)
    assert base.bytes == 0
    base.path.write_bytes(b"a base")
    assert base.bytes == 6
    base.path.unlink()
    assert base.bytes == 6


def test_another_base_has_features_of_its_own(tmp_path: Path) -> None:
    """A version with a new base never sees the features of the old one."""
    for digest in ("one", "two"):
        FeatureCache(tmp_path / "cache").open(CountingBase(tmp_path / "log", digest), part("p"))
    assert CountingBase(tmp_path / "log").passes == 2


def test_what_a_killed_builder_left_is_neither_used_nor_kept(tmp_path: Path) -> None:
    """A half-written file never becomes an entry, and goes away."""
    base, cache = CountingBase(tmp_path / "log"), FeatureCache(tmp_path / "cache")
    cache.open(base, part("p"))
    (entry,) = (tmp_path / "cache").glob("*/*.npy")
    half = entry.with_name(".p.12345.tmp.npy")
    entry.rename(half)
    half.write_bytes(b"\x93NUMPY half")
    features = cache.open(base, part("p"))
    assert features.shape == (10, 4)
    assert not half.exists()


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no array at all"])
def test_a_damaged_entry_is_computed_again(tmp_path: Path, damage: bytes) -> None:
    """The cache can always be computed again, so a torn file costs time and nothing else."""
    base, cache = CountingBase(tmp_path / "log"), FeatureCache(tmp_path / "cache")
    cache.open(base, part("p"))
    (entry,) = (tmp_path / "cache").glob("*/p.npy")
    entry.write_bytes(damage)
    assert (cache.open(base, part("p")) == 7).all()
    assert base.passes == 2


def test_the_longest_unused_entries_go_first(tmp_path: Path) -> None:
    """Above its size the cache forgets what nobody asked for lately."""
    base = CountingBase(tmp_path / "log", rows=1000)
    cache = FeatureCache(tmp_path / "cache", max_bytes=40_000)
    cache.open(base, part("a"))
    cache.open(base, part("b"))
    (entry,) = (tmp_path / "cache").glob("*/a.npy")
    os.utime(entry, (1, 1))
    cache.open(base, part("a"))  # used again, so b is now the older one
    os.utime(entry.with_name("b.npy"), (2, 2))
    cache.open(base, part("c"))
    assert sorted(path.stem for path in entry.parent.glob("*.npy")) == ["a", "c"]


def test_an_entry_larger_than_the_cache_is_still_given(tmp_path: Path) -> None:
    """A cap that is too small makes runs slow, not wrong."""
    base = CountingBase(tmp_path / "log", rows=1000)
    assert FeatureCache(tmp_path / "cache", max_bytes=10).open(base, part("a")).shape == (1000, 4)


def test_of_two_processes_one_computes(tmp_path: Path) -> None:
    """Concurrent runs that want the same entry share one pass."""
    workers = [forked().Process(target=open_entry, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 2
    assert CountingBase(tmp_path / "log").passes == 1


def test_files_of_a_version_are_named_by_what_they_hold(champion: Trained) -> None:
    """The digests in ModelFiles are those of the models in the files."""
    from learning.digests import model_digest

    files: ModelFiles = champion.files
    assert model_digest(load_model(files.base)) == files.base_digest
    assert model_digest(load_model(files.head)) == files.head_digest


def test_a_full_disk_is_an_error_and_leaves_no_entry(
    tmp_path: Path,
    partition: Callable[..., PartitionFile],
    champion: Trained,
    spec: ModelSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Room is taken before pages are mapped: writing to one that has none would kill the process."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    base = FrozenBase(champion.files.base, champion.files.base_digest, spec.schema)
    with pytest.raises(OSError, match="No space left"):
        FeatureCache(tmp_path / "cache").open(base, partition("rows", 8))
    assert not list((tmp_path / "cache").glob("*/*.npy"))


def swapped(entry: Path) -> None:
    """Give an entry, whole as it is, the name of another."""
    entry.write_bytes(entry.with_name("other.npy").read_bytes())


def as_array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Change an entry's numbers at equal length; the rest of the file stays as it is."""

    def apply(entry: Path) -> None:
        content = entry.read_bytes()
        array = np.load(entry)
        start = content.index(array.tobytes())
        entry.write_bytes(content[:start] + change(array).astype("float32").tobytes() + content[start + array.nbytes :])

    return apply


def folder(entry: Path) -> None:
    """Put a folder in an entry's place."""
    entry.unlink()
    entry.mkdir()
    (entry / "something").touch()


DAMAGES = {
    "permuted": as_array(lambda array: array[::-1]),
    "NaN": as_array(lambda array: np.full_like(array, np.nan)),
    "zeroed": as_array(np.zeros_like),
    "one bit": as_array(lambda array: np.nextafter(array, 1e9)),
    "swapped": swapped,
    "cut": lambda entry: os.truncate(entry, entry.stat().st_size - 9),
    "cut to the seal": lambda entry: os.truncate(entry, entry.stat().st_size - 8),
    "all zeros": lambda entry: entry.write_bytes(bytes(entry.stat().st_size)),
    "of other rows": lambda entry: np.save(entry, np.full((10, 4), 8, "float32")),
    "a folder": folder,
    "no folder": lambda entry: (shutil.rmtree(entry.parent), entry.parent.write_text("a file")),
    "a folder as lock": lambda entry: (
        entry.unlink(),
        entry.with_suffix(".lock").unlink(),
        entry.with_suffix(".lock").mkdir(),
    ),
}


class GrowingBase(CountingBase):
    """A base whose features are the numbers from 0 on, for one partition, and further ones for the other."""

    def write_features(self, partition: PartitionFile, path: Path) -> None:
        """Write features that differ from row to row."""
        super().write_features(partition, path)
        first = 100.0 * len(partition.digest)
        np.save(path, np.arange(first, first + self.rows * 4, dtype="float32").reshape(self.rows, 4))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_was_changed_is_never_trained_on(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    """An entry that is not as it was written is computed again, whatever became of it."""
    base = GrowingBase(tmp_path / "log")
    expected = {name: np.array(FeatureCache(tmp_path / "cache").open(base, part(name))) for name in ("p", "other")}
    (entry,) = (tmp_path / "cache").glob("*/p.npy")
    damage(entry)
    for _ in range(2):
        for name, features in expected.items():
            np.testing.assert_array_equal(FeatureCache(tmp_path / "cache").open(base, part(name)), features)


class EmptyingBase(CountingBase):
    """A base beside which somebody removes the cache, so many times."""

    times = 1

    def write_features(self, partition: PartitionFile, path: Path) -> None:
        """Write features as ever; then all of it is gone."""
        super().write_features(partition, path)
        if self.passes <= self.times:
            shutil.rmtree(path.parent.parent)


def test_a_cache_that_is_emptied_meanwhile_is_made_anew(tmp_path: Path) -> None:
    """Before, while and after an entry is made; what is mapped stays readable."""
    base, cache = EmptyingBase(tmp_path / "log"), FeatureCache(tmp_path / "cache")
    read = cache.reader(base)
    assert (read(part("p"), np.arange(10)) == 7).all()
    shutil.rmtree(tmp_path / "cache")
    assert (read(part("p"), np.arange(10)) == 7).all()
    assert (cache.open(base, part("p")) == 7).all()
    assert base.passes == 3


def test_a_cache_that_is_emptied_for_ever_is_an_error(tmp_path: Path) -> None:
    """Nothing is tried without end."""
    base = EmptyingBase(tmp_path / "log")
    base.times = 100
    with pytest.raises(FileNotFoundError):
        FeatureCache(tmp_path / "cache").open(base, part("p"))
    assert base.passes == 3
