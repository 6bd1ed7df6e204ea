"""What a backup holds of online learning: the newest weights of each consumer, and no older ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from filled import MODEL
from kept_place import Place

from db.artifacts import ArtifactStore
from db.backup import back_up, restore
from db.engine import open_engine
from db.online_records import ONLINE, NewCheckpoint
from db.registry import ModelRegistry, open_registry

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def place(registry: ModelRegistry, tmp_path: Path) -> Place:
    """A registry of one run, and its files."""
    place = Place(registry, tmp_path)
    place.run(1)
    return place


def learn(place: Place, first: int, last: int, consumer: str = "events.jsonl") -> None:
    """Add checkpoints, and remove the files that no checkpoint needs any more."""
    run = place.registry.start_run(MODEL, trigger="by hand").id
    with place.registry.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM online_consumer")
    place.registry.claim_events(MODEL, run)
    for number in range(first, last + 1):
        where = (MODEL, consumer, number, run, 1, number, f"{number}", {"learned": number}, {})
        state = place.put(ONLINE, f"{consumer[0]}{number}")
        for uri in place.registry.add_checkpoint(
            NewCheckpoint(*where, rows=1, loss=0.5, window_loss=0.5, stored=state)
        ):
            (place.folder / "artifacts" / uri).unlink()


def weights(place: Place) -> list[str]:
    """The online checkpoints in the backup."""
    return sorted(path.name.split(".")[0] for path in (place.backup / "artifacts" / ONLINE).rglob("*.bin"))


@on_sqlite
def test_a_restored_registry_learns_online_where_the_old_one_was(place: Place) -> None:
    """The newest weights of each consumer come back; of an older backup in the folder none stay."""
    learn(place, 1, 3)
    learn(place, 1, 1, "other.jsonl")
    assert back_up(place.registry.engine, place.store, place.backup).missing == ()
    assert weights(place) == ["e3", "o1"]
    learn(place, 4, 25)
    kept = back_up(place.registry.engine, place.store, place.backup)
    assert (kept.copied, kept.missing, weights(place)) == (1, (), ["e25", "o1"])
    folder = place.folder / "new"
    url, store = f"sqlite:///{folder / 'registry.db'}", ArtifactStore(str(folder / "artifacts"), folder / "cache")
    engine = open_engine(url)
    assert restore(place.backup, engine, store).missing == ()
    engine.dispose()
    with open_registry(url) as registry:
        found = registry.newest_checkpoint(MODEL, "events.jsonl")
        assert found is not None
        assert store.fetch(found.stored).read_text() == "online e25"


@on_sqlite
def test_weights_that_go_while_a_backup_copies_are_not_missed(place: Place) -> None:
    """A learner is faster than the disk now and then; other weights than the registered ones are told of."""
    learn(place, 1, 1)
    uri = place.registry.checkpoints(MODEL)[0].stored.uri
    path = place.folder / "artifacts" / uri
    path.write_text("other bytes")
    (missing,) = back_up(place.registry.engine, place.store, place.backup).missing
    assert missing.startswith("online e1")
    path.unlink()
    kept = back_up(place.registry.engine, place.store, place.backup)
    assert (kept.files, kept.missing) == (3, ())
