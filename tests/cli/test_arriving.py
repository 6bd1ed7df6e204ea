"""Files that land start their model's retrain: once, and not where a run is on its way that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from filled import stored
from prefect.exceptions import ObjectNotFound

from arrivals.ingest import ingest
from cli.arriving import Arriving, asking_specs
from db.artifacts import ArtifactStore
from db.records import NewVersion
from db.registry import ModelRegistry, open_registry
from errors import InvalidSpec
from learning.spec import RetrainPolicy, Source
from settings import Settings
from tiny import TINY, Landing

SPEC = replace(TINY, source=Source("tiny", settle=0.0), retrain=RetrainPolicy(on_arrival=True))


class Server:
    """A Prefect server with one deployment; a run goes on until the test ends it."""

    def __init__(self) -> None:
        self.paused, self.going, self.keys = False, 0, list[str]()
        self.id, self.tags = uuid4(), ["evergreen"]

    def read_deployment_by_name(self, name: str) -> SimpleNamespace:
        """The deployment of the tiny model."""
        if name != "retrain/retrain-tiny":
            raise ObjectNotFound(http_exc=KeyError(name))
        return SimpleNamespace(id=self.id, paused=self.paused, tags=self.tags)

    def read_flow_runs(self, **_: object) -> list[None]:
        """Those that have not ended."""
        return [None] * self.going

    def create_flow_run_from_deployment(self, key: object, *, idempotency_key: str, tags: list[str]) -> None:
        """Start one, unless there was one of this key."""
        assert (key, tags) == (self.id, ["evergreen", "arrival"])
        if idempotency_key not in self.keys:
            self.keys.append(idempotency_key)
            self.going += 1


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """A registry of two models that have champions."""
    with open_registry(home.database_url) as registry:
        for name in ("tiny", "gone"):
            registry.add_model(name)
            registry.register(NewVersion(name, None, None, base=stored("base", "b"), head=stored("head", "h")))
            registry.promote(name, 1, seen=0, kind="bootstrap", actor="test", reason="the first")
        yield registry


@pytest.fixture
def landing(home: Settings) -> Landing:
    """An empty landing folder."""
    return Landing(Path(home.landing) / "tiny")


def arriving(server: Server, registry: ModelRegistry, home: Settings, *specs: Any) -> Arriving:
    """What looks for files, with a server of the test's own."""

    @contextmanager
    def client() -> Iterator[Any]:
        yield server

    return Arriving(specs or (SPEC,), registry, home.landing, client)


def test_the_same_files_start_one_run(registry: ModelRegistry, home: Settings, landing: Landing) -> None:
    """Also after `evergreen up` has started anew, and though the run recorded nothing of them."""
    server = Server()
    watcher = arriving(server, registry, home)
    watcher.look()
    assert server.keys == []
    landing.land(3)
    for _ in range(2):
        watcher.look()
        server.going = 0
    arriving(server, registry, home).look()
    assert len(server.keys) == 1


def test_what_a_run_has_read_starts_none(registry: ModelRegistry, home: Settings, landing: Landing) -> None:
    """And the next file starts the next one."""
    server = Server()
    watcher = arriving(server, registry, home)
    landing.land(3)
    store = ArtifactStore(home.artifact_root, home.cache)
    ingest(SPEC, registry, store, landing=home.landing, cache=home.cache)
    watcher.look()
    assert server.keys == []
    landing.land(3)
    watcher.look()
    assert len(server.keys) == 1


def test_nothing_starts_beside_a_run_or_where_somebody_paused_it(
    registry: ModelRegistry, home: Settings, landing: Landing
) -> None:
    """It starts afterwards, if the files are still there to be read."""
    server = Server()
    watcher = arriving(server, registry, home)
    landing.land(3)
    server.going, server.paused = 1, False
    watcher.look()
    server.going, server.paused = 0, True
    watcher.look()
    assert server.keys == []
    server.paused = False
    watcher.look()
    assert len(server.keys) == 1


def test_a_model_without_a_champion_waits_for_a_person(home: Settings, landing: Landing) -> None:
    """The first run is a bootstrap."""
    server = Server()
    landing.land(3)
    with open_registry(home.database_url) as registry:
        arriving(server, registry, home).look()
    assert server.keys == []


def test_a_source_that_is_not_there_is_told_once_and_stops_no_other(
    registry: ModelRegistry, home: Settings, landing: Landing, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line that names the model."""
    server = Server()
    gone = replace(SPEC, name="gone", source=Source(path="nowhere"))
    watcher = arriving(server, registry, home, gone, SPEC)
    landing.land(3)
    watcher.look()
    watcher.look()
    assert capsys.readouterr().err.count("could not look at what has landed for gone, and will again") == 1
    assert len(server.keys) == 1


def test_a_deployment_that_somebody_deletes_just_then_stops_nothing(
    registry: ModelRegistry, home: Settings, landing: Landing, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prefect says that it is not there, and the next look asks again: the thread that looks lives on."""
    server = Server()

    def deleted(*_: object, **__: object) -> None:
        raise ObjectNotFound(http_exc=KeyError("gone"), help_message="Deployment not found")

    server.create_flow_run_from_deployment = deleted  # type: ignore[method-assign]
    landing.land(3)
    arriving(server, registry, home).look()
    told = "could not look at what has landed for tiny, and will again: Deployment not found"
    assert told in capsys.readouterr().err


def test_only_models_that_ask_for_it_are_watched(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped ones do not; and a query cannot."""
    assert asking_specs(home) == ()
    query = Source(path="sqlite:///shop.db", query="SELECT * FROM sale", cursor="id")
    with pytest.raises(InvalidSpec, match="a database tells nobody of its new rows"):
        replace(SPEC, source=query)
