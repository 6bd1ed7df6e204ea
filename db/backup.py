"""A backup: one SQLite file of the whole registry, and beside it every stored file that it names.

    FOLDER/artifacts/KIND/XX/…              as under the artifact root
    FOLDER/registry-INSTANT.SHA256.db       appears last, and whole: with it the backup is done

The database is read first, at one moment, and the files after it. Whoever writes stores its files before the row that
names them is committed, and what a row names stays: so all that the snapshot names is there, however many runs write
meanwhile. Files first would miss those that a run stored, and named, while they were copied.

One kind does not stay: a checkpoint of online learning, whose file goes some checkpoints later. Each consumer's newest
is copied first; one that is gone all the same is not missed, since learning then goes on from the champion.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Engine, select

from clock import now
from db.artifacts import UNFINISHED, ArtifactStore
from db.columns import Base
from db.copying import copy_registry, copy_rows
from db.engine import open_engine, read_scope
from db.lookups import stored_files
from db.online_records import ONLINE
from db.schema import changing_schema, migrate, prepare, revision
from errors import ArtifactCorrupt, ArtifactMissing, CannotBackUp, CannotRestore
from evergreen_client.artifacts import StoredArtifact, file_sha256
from evergreen_client.database import clear_errors
from evergreen_client.durable import flush

SNAPSHOT = re.compile(r"registry-\d{8}T\d{6}Z\.(?P<sha256>[0-9a-f]{64})\.db")


@dataclass(frozen=True)
class Kept:
    """What a backup, or a restored home, holds now.

    Args:
        files: that the registry names, and that are there.
        copied: those of them that were not there before.
        missing: a sentence for each file that is gone, or whose bytes are other ones.
    """

    files: int
    copied: int
    missing: tuple[str, ...] = ()


def back_up(engine: Engine, store: ArtifactStore, folder: Path) -> Kept:
    """Back the registry and its files up, beside whatever writes to them.

    What a killed backup had copied, or an earlier one, is verified and not copied again. The earlier one stays whole
    until the new one is.

    Args:
        engine: of the registry; an SQLite file may have an older schema.
        store: of its files.
        folder: a local one, for backups of this registry alone.

    Raises:
        CannotBackUp: the folder holds something else, or there is no registry.
    """
    with _alone(folder):
        earlier = _snapshots(folder)
        snapshot = folder / ".registry.tmp"
        snapshot.unlink(missing_ok=True)  # of a killed backup
        take_snapshot(engine, snapshot)
        with of_today(snapshot) as source:
            files = _files(source)
        _refuse_another_registry(earlier, files)
        kept = copy_files(files, store, _files_of(folder))
        flush(snapshot)
        done = folder / f"registry-{now():%Y%m%dT%H%M%SZ}.{file_sha256(snapshot)}.db"
        snapshot.replace(done)
        flush(folder)
        for one in earlier:
            if one != done:
                one.unlink()
        _drop_old_checkpoints(_files_of(folder), files)
    return kept


def restore(folder: Path, engine: Engine, store: ArtifactStore) -> Kept:
    """Bring a backup back into an empty registry and an empty artifact root, on SQLite or PostgreSQL alike.

    Files first, then all rows in one transaction: until that, nobody sees anything of it, and whoever was cut short
    begins again and goes on. A file that is missing stops none of the others.

    Raises:
        CannotRestore: the folder holds no whole backup, or the place is not empty.
        RegistryOutdated: the backup was made by a newer version, or the database is not an empty one.
    """
    snapshot = newest(folder)
    with of_today(snapshot) as source:
        files = _files(source)
        prepare(engine)
        with read_scope(engine) as session:
            _refuse_rows(session.connection())
        _refuse_other_files(store, files)
        kept = copy_files(files, _files_of(folder), store)
        with clear_errors(engine), changing_schema(engine) as target, read_scope(source) as session:
            _refuse_rows(target)  # once more, now that nobody else can add any
            copy_rows(session.connection(), target)
    return kept


def newest(folder: Path) -> Path:
    """The newest whole backup's database, verified.

    Raises:
        CannotRestore: there is none, or its bytes are not the ones that were written.
    """
    finished = _snapshots(folder)
    if not finished:
        why = "no backup was finished there"
        raise CannotRestore(f"folder {folder}", why, "name the folder that `evergreen backup` was given")
    found = finished[-1]
    if f".{file_sha256(found)}.db" not in found.name:
        raise CannotRestore(f"file {found}", "its bytes are not the ones that were written", "take another copy of it")
    return found


def take_snapshot(engine: Engine, file: Path) -> None:
    """Write the whole registry, as it is at one moment, into an SQLite file; nobody waits for it.

    Raises:
        CannotBackUp: there is no registry.
        RegistryOutdated: a PostgreSQL registry of another schema than this code's.
    """
    with read_scope(engine) as session:
        if revision(session.connection()) is None:
            fix = "set EVERGREEN_HOME, or EVERGREEN_DATABASE_URL, to where it is"
            raise CannotBackUp(f"database {engine.url}", "it is no registry", fix)
    if engine.dialect.name == "sqlite":
        with clear_errors(engine), engine.connect() as connection, closing(sqlite3.connect(file)) as copy:
            source: Any = connection.connection.driver_connection
            source.backup(copy)  # in one go, by SQLite's own means: consistent, and of any schema
    else:
        prepare(engine)
        _dump(engine, file)
    with closing(sqlite3.connect(file)) as copy:  # one file, not three, whoever opens it later
        copy.execute("PRAGMA journal_mode = DELETE")


def _dump(engine: Engine, file: Path) -> None:
    """Write PostgreSQL's rows, all of one moment, into an SQLite file: no program of PostgreSQL's own is needed."""
    target = open_engine(f"sqlite:///{file}")
    migrate(target)
    copy_registry(engine, target)
    target.dispose()


@contextmanager
def of_today(snapshot: Path) -> Iterator[Engine]:
    """Open a copy of a snapshot, brought up to the schema that this code reads; the snapshot itself stays as it is."""
    with TemporaryDirectory(prefix="evergreen-") as scratch:
        engine = open_engine(f"sqlite:///{shutil.copy(snapshot, Path(scratch) / 'registry.db')}")
        try:
            migrate(engine)
            yield engine
        finally:
            engine.dispose()


def copy_files(files: Sequence[StoredArtifact], source: ArtifactStore, target: ArtifactStore) -> Kept:
    """Copy stored files from one root to another, each verified by its SHA-256; those that are there stay."""
    there, copied, missing = 0, 0, []
    for file in files:
        if target.sha256(file.uri) == file.sha256:
            there += 1
            continue
        try:
            with source.fetched(file) as path:
                target.place(path, file.uri)
            copied += 1
        except (ArtifactMissing, ArtifactCorrupt) as error:
            if file.kind != ONLINE or isinstance(error, ArtifactCorrupt):
                missing.append(f"{error.received}: {error.why}")
    return Kept(there + copied, copied, tuple(missing))


def _files(engine: Engine) -> tuple[StoredArtifact, ...]:
    with read_scope(engine) as session:
        return stored_files(session)


def _files_of(folder: Path) -> ArtifactStore:
    return ArtifactStore(str(folder / "artifacts"), folder)


def _snapshots(folder: Path) -> list[Path]:
    """The databases of finished backups, oldest first."""
    return sorted(path for path in folder.glob("registry-*.db") if SNAPSHOT.fullmatch(path.name))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a backup's folder for one backup at a time; a new one is made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = {"artifacts", ".lock", ".registry.tmp"}
        strangers = [path.name for path in folder.iterdir() if path.name not in ours]
        if strangers and not _snapshots(folder):
            why = f"it holds something else, as {min(strangers)}"
            raise CannotBackUp(f"folder {folder}", why, "name a folder that is new, empty, or an earlier backup")
        with (folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise CannotBackUp(f"folder {folder}", "another backup writes there", "wait until it is done") from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        fix = "see that it, and the folder for temporary files (TMPDIR), can be written and have space"
        raise CannotBackUp(f"folder {folder}", why, fix) from error


def _refuse_another_registry(earlier: Sequence[Path], files: Collection[StoredArtifact]) -> None:
    """What an earlier backup names, a later one of the same registry names too, except for old online checkpoints."""
    for snapshot in earlier:
        with of_today(snapshot) as source:
            gone = {file.uri for file in _files(source) if file.kind != ONLINE} - {file.uri for file in files}
        if gone:
            why = f"the backup in it names {len(gone)} files that this registry does not know: it is another one's"
            raise CannotBackUp(f"folder {snapshot.parent}", why, "name another folder")


def _drop_old_checkpoints(store: ArtifactStore, files: Collection[StoredArtifact]) -> None:
    for uri in set(store.find(f"{ONLINE}/")) - {file.uri for file in files}:
        store.remove(uri, unless_since=now())


def _refuse_rows(connection: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        if connection.execute(select(table).limit(1)).first():
            why = f"it is not empty: there are rows in {table.name}"
            fix = "set EVERGREEN_HOME to a new folder, or EVERGREEN_DATABASE_URL to an empty database"
            raise CannotRestore(f"database {connection.engine.url}", why, fix)


def _refuse_other_files(store: ArtifactStore, files: Collection[StoredArtifact]) -> None:
    unknown = set(store.find()) - {file.uri for file in files}
    strangers = sorted(uri for uri in unknown if not UNFINISHED.fullmatch(uri))  # of a restore that was killed
    if strangers:
        why = f"it is not empty: {strangers[0]} is not of this backup"
        raise CannotRestore(f"artifact root {store}", why, "set EVERGREEN_ARTIFACT_ROOT to an empty place")
