"""A backup is whole, whatever writes or is killed meanwhile, and comes back on either database."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filled import MODEL
from kept_place import Place
from sqlalchemy import select

from db.artifacts import ArtifactStore
from db.backup import Kept, back_up, newest, restore
from db.columns import Base
from db.engine import open_engine
from db.registry import ModelRegistry, open_registry
from db.schema import migrate
from errors import ArtifactMissing, CannotBackUp, CannotRestore
from evergreen_client.artifacts import StoredArtifact

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def place(registry: ModelRegistry, tmp_path: Path) -> Place:
    """A registry of two runs, and its files."""
    place = Place(registry, tmp_path)
    place.run(1)
    place.run(2)
    return place


def everything(registry: ModelRegistry) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables; NaN is equal to itself here, and JSON has no order."""

    def shown(value: object) -> str:
        return json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)

    with registry.engine.connect() as connection:
        return {
            table.name: [
                {name: shown(value) for name, value in row._mapping.items()}
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in Base.metadata.sorted_tables
        }


@contextmanager
def restored(place: Place, url: str = "") -> Iterator[Place]:
    """The backup, brought back into a new place."""
    folder = place.folder / "new"
    engine = open_engine(url or f"sqlite:///{folder / 'registry.db'}")
    store = ArtifactStore(str(folder / "artifacts"), folder / "cache")
    assert not restore(place.backup, engine, store).missing
    engine.dispose()
    with open_registry(url or f"sqlite:///{folder / 'registry.db'}") as registry:
        yield Place(registry, folder)


def whole(place: Place) -> set[str]:
    """The files that the registry names, each of them read and verified."""
    for version in place.registry.versions(MODEL):
        place.store.fetch_version(place.registry.version(MODEL, version.number))
    named = place.registry.named_files()
    assert named <= set(place.store.find())
    return named


@pytest.mark.parametrize(
    ("backend", "onto"), [("sqlite", "postgresql"), ("postgresql", "sqlite")], indirect=["backend"]
)
def test_a_backup_comes_back_with_every_row_and_file_on_either_database(
    place: Place, onto: str, request: pytest.FixtureRequest
) -> None:
    """From SQLite to PostgreSQL, and the other way; and the restored one goes on with the next numbers."""
    url = str(request.getfixturevalue("empty_postgres")) if onto == "postgresql" else ""
    kept = back_up(place.registry.engine, place.store, place.backup)
    assert (kept.files, kept.copied, kept.missing) == (5, 5, ())
    with restored(place, url) as new:
        assert everything(new.registry) == everything(place.registry)
        assert whole(new) == place.registry.named_files()
        new.run(3)
        assert [promotion.sequence for promotion in new.registry.promotions(MODEL)] == [1, 2, 3]


@on_sqlite
def test_files_go_from_a_folder_to_a_bucket_and_back(place: Place, bucket: str) -> None:
    """Through a backup each time; no copy of a remote file stays behind."""
    in_bucket = ArtifactStore(f"s3://{bucket}/shop", place.folder / "cache")
    back_up(place.registry.engine, place.store, place.backup)
    engine = open_engine(f"sqlite:///{place.folder / 'new.db'}")
    assert restore(place.backup, engine, in_bucket) == Kept(5, 5)
    assert back_up(engine, in_bucket, place.folder / "again") == Kept(5, 5)
    engine.dispose()
    stored = {path.name: path.read_bytes() for path in (place.folder / "artifacts").rglob("*.bin")}
    assert {path.name: path.read_bytes() for path in (place.folder / "again/artifacts").rglob("*.bin")} == stored
    assert list(place.folder.glob("cache/**/*.bin")) == []


@on_sqlite
def test_one_backup_at_a_time_writes_into_a_folder(place: Place) -> None:
    """The other one is told so; and a place that is no folder is one sentence."""

    def other() -> None:
        with pytest.raises(CannotBackUp, match="another backup writes there"):
            back_up(place.registry.engine, place.store, place.backup)

    back_up(place.registry.engine, Interrupted(place, other), place.backup)
    with pytest.raises(CannotBackUp, match="File exists"):
        back_up(place.registry.engine, place.store, place.folder / "p1.bin")


class Interrupted(ArtifactStore):
    """A store that does something of the test's before it gives its n-th file."""

    def __init__(self, place: Place, what: Any, before: int = 1) -> None:
        super().__init__(str(place.folder / "artifacts"), place.folder / "cache")
        self.what, self.left = what, before

    @contextmanager
    def fetched(self, artifact: StoredArtifact) -> Iterator[Path]:
        """Give the file, after the other thing."""
        self.left -= 1
        if self.left == 0:
            self.what()
        with super().fetched(artifact) as path:
            yield path


@on_sqlite
def test_what_a_run_stores_during_a_backup_is_in_it_whole_or_not_at_all(place: Place) -> None:
    """A run that ends between snapshot and files is left to the next backup; nothing is named that is not there."""
    back_up(place.registry.engine, Interrupted(place, lambda: place.run(3)), place.backup)
    with restored(place) as new:
        whole(new)
        assert len(new.registry.versions(MODEL)) == 2
    kept = back_up(place.registry.engine, place.store, place.backup)
    assert (kept.files, kept.copied) == (7, 2)


def test_backups_beside_a_writer_that_never_stops_are_all_whole(place: Place) -> None:
    """Whatever moment the snapshot catches."""
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count(3):
            if stop.is_set():
                return
            place.run(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = [back_up(place.registry.engine, place.store, place.backup).files for _ in range(2)]
    finally:
        stop.set()
        writer.join()
    assert counts[0] < counts[-1], "nothing was written meanwhile"
    with restored(place) as new:
        assert len(whole(new)) == counts[-1]


@on_sqlite
def test_a_backup_that_was_killed_goes_on_and_the_earlier_one_stays_until_then(place: Place) -> None:
    """What was copied is not copied again."""
    back_up(place.registry.engine, place.store, place.backup)
    before = newest(place.backup)
    place.run(3)

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(place.registry.engine, Interrupted(place, die, before=2), place.backup)
    assert newest(place.backup) == before
    kept = back_up(place.registry.engine, place.store, place.backup)
    assert (kept.files, kept.copied) == (7, 1)
    assert [path.name for path in place.backup.glob("registry*")] == [newest(place.backup).name]


@on_sqlite
def test_a_restore_that_was_cut_short_shows_nothing_and_goes_on(place: Place) -> None:
    """The rows come last, in one transaction."""
    back_up(place.registry.engine, place.store, place.backup)
    engine = open_engine(f"sqlite:///{place.folder / 'new/registry.db'}")
    full = Full(str(place.folder / "new/artifacts"), place.folder / "cache")
    with pytest.raises(OSError, match="no space"):
        restore(place.backup, engine, full)
    assert len(full.find()) == 2
    engine.dispose()
    with restored(place) as new:
        assert len(whole(new)) == 5


class Full(ArtifactStore):
    """A disk that is full after two files."""

    def place(self, path: Path, uri: str) -> None:
        """Store it, or not."""
        if len(self.find()) == 2:
            raise OSError("no space")
        super().place(path, uri)


@on_sqlite
def test_a_file_that_is_gone_or_changed_is_named_and_stops_no_other(place: Place) -> None:
    """In the store of the registry, and in the backup itself."""
    gone, changed = (place.put("head", name).uri for name in ("h1", "h2"))
    back_up(place.registry.engine, place.store, place.backup)
    (place.folder / "artifacts" / gone).unlink()
    assert back_up(place.registry.engine, place.store, place.backup).missing == (), "an earlier backup has it"
    (place.backup / "artifacts" / gone).unlink()
    (place.backup / "artifacts" / changed).write_text("other bytes")
    (missing,) = back_up(place.registry.engine, place.store, place.backup).missing
    assert "head h1" in missing, "what had changed in the backup is copied anew"
    (place.backup / "artifacts" / changed).write_text("other bytes")
    engine = open_engine(f"sqlite:///{place.folder / 'new/registry.db'}")
    store = ArtifactStore(str(place.folder / "new/artifacts"), place.folder / "cache")
    kept = restore(place.backup, engine, store)
    engine.dispose()
    assert (kept.files, len(kept.missing)) == (3, 2)
    assert "head h2" in kept.missing[1]
    with pytest.raises(ArtifactMissing):
        store.fetch(place.put("head", "h1"))


@on_sqlite
def test_a_place_that_is_not_empty_is_left_alone(place: Place) -> None:
    """Neither rows nor files that are not of the backup are mixed with it."""
    back_up(place.registry.engine, place.store, place.backup)
    with pytest.raises(CannotRestore, match="it is not empty: there are rows in"):
        restore(place.backup, place.registry.engine, place.store)
    with open_registry(f"sqlite:///{place.folder / 'new.db'}") as empty:
        place.put("head", "stranger")
        with pytest.raises(CannotRestore, match="it is not empty: head/st/stranger"):
            restore(place.backup, empty.engine, place.store)
        assert empty.models() == ()


@on_sqlite
def test_folders_that_hold_something_else_are_refused(place: Place) -> None:
    """Another registry's backup, a folder of other files, no backup at all, a damaged one."""
    back_up(place.registry.engine, place.store, place.backup)
    with open_registry(f"sqlite:///{place.folder / 'other.db'}") as other:
        other.add_model(MODEL)
        with pytest.raises(CannotBackUp, match="it is another one's"):
            back_up(other.engine, place.store, place.backup)
    with pytest.raises(CannotBackUp, match="it holds something else, as backup"):
        back_up(place.registry.engine, place.store, place.folder)
    with pytest.raises(CannotRestore, match="no backup was finished there"):
        newest(place.folder)
    snapshot = newest(place.backup)
    snapshot.write_bytes(snapshot.read_bytes()[:-1] + b"?")
    with pytest.raises(CannotRestore, match="its bytes are not the ones that were written"):
        newest(place.backup)


def test_an_older_registry_is_backed_up_before_its_schema_changes(tmp_path: Path) -> None:
    """As `evergreen db upgrade` advises; brought back, it has the schema of today."""
    engine = open_engine(f"sqlite:///{tmp_path / 'old.db'}")
    migrate(engine, "0007")
    store = ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache")
    with pytest.raises(CannotBackUp, match="it is no registry"):
        back_up(open_engine(f"sqlite:///{tmp_path / 'none.db'}"), store, tmp_path / "backup")
    back_up(engine, store, tmp_path / "backup")
    engine.dispose()
    new = open_engine(f"sqlite:///{tmp_path / 'new.db'}")
    restore(tmp_path / "backup", new, store)
    new.dispose()
    open_registry(f"sqlite:///{tmp_path / 'new.db'}").close()
