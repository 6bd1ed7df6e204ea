"""While `evergreen up` runs, files that land start the retrain of the models that ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cli.printing import say, say_if_heard
from errors import EvergreenError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from prefect.client.orchestration import SyncPrefectClient

    from db.registry import ModelRegistry
    from learning.spec import ModelSpec
    from settings import Settings

QUIET_SECONDS = 5.0  # without a change, before what has landed is looked at,
LONGEST_SECONDS = 60.0  # though never later than so long after the first
POLL_SECONDS = 60.0  # between looks where no change shows: of URLs, and of folders that are not there yet


class Arriving:
    """Looks at the landing of the models with `RetrainPolicy(on_arrival=True)`, and starts their retrain.

    A look compares what lies there with what the registry says was read. So nothing is forgotten when `up` was down
    meanwhile, and nothing is started twice.

    Args:
        specs: the models.
        registry: remembers what was read.
        landing: folder or URL that the sources are relative to.
        client: opens a client of the server.
    """

    def __init__(
        self,
        specs: tuple[ModelSpec, ...],
        registry: ModelRegistry,
        landing: str,
        client: Callable[[], AbstractContextManager[SyncPrefectClient]],
    ) -> None:
        self.specs, self._registry, self._landing, self._client = specs, registry, landing, client
        self._asked: dict[str, frozenset[str]] = {}
        self._told: dict[str, str] = {}
        self._stop = threading.Event()

    def begin(self) -> None:
        """Look now, and from now on, in a thread of its own that ends with the process."""
        if self.specs:
            say(f"files that land start the retrain of {', '.join(spec.name for spec in self.specs)}")
            threading.Thread(target=self._watch, name="arriving", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> None:
        """Look once at all of them; one that cannot be reached stops none of the others, and is told once."""
        from tasks.flow_runs import SERVER_ERRORS

        for spec in self.specs:
            try:
                self._look_at(spec)
                self._told.pop(spec.name, None)
            except (*SERVER_ERRORS, EvergreenError) as error:
                told = f"could not look at what has landed for {spec.name}, and will again: {error}"
                if self._told.get(spec.name) != told:
                    say_if_heard(told, err=True)
                self._told[spec.name] = told

    def _look_at(self, spec: ModelSpec) -> None:
        from arrivals.unread import unread
        from tasks.start_on_arrival import start_on_arrival

        if self._registry.find_champion(spec.name) is None:  # the first run is a person's
            return
        found = unread(spec, self._registry, self._landing)
        if not found or found == self._asked.get(spec.name):
            return
        with self._client() as client:
            if start_on_arrival(client, spec.name, found):
                self._asked[spec.name] = found

    def _watch(self) -> None:
        """Look at once, whenever something changes and then is quiet for a while, and from time to time."""
        self.look()
        for _ in self._changes():
            self.look()

    def _changes(self) -> Iterator[object]:
        """Something for every change, and for every while without one."""
        from watchfiles import watch

        # Where the system has no more watches to give, looking now and then is left.
        with suppress(OSError, EvergreenError):
            if folders := self._folders():
                yield from watch(
                    *folders,
                    watch_filter=None,
                    debounce=int(1000 * LONGEST_SECONDS),
                    step=int(1000 * QUIET_SECONDS),
                    rust_timeout=int(1000 * POLL_SECONDS),
                    yield_on_timeout=True,
                    stop_event=self._stop,
                )
        while not self._stop.wait(POLL_SECONDS):
            yield None

    def _folders(self) -> list[Path]:
        """The local folders among the sources."""
        from arrivals.unread import local_folder

        if "://" in self._landing:
            return []
        return [folder for spec in self.specs if (folder := local_folder(spec, Path(self._landing)))]


def asking_specs(settings: Settings) -> tuple[ModelSpec, ...]:
    """The models whose files start their retrain; a model file that cannot be loaded is told, and stops no other."""
    from learning.catalog import known_models, load_spec

    found = []
    for name in known_models(settings.model_folders):
        try:
            spec = load_spec(name, settings.model_folders)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the user's own code
            say(f"model {name} cannot be loaded, so what lands for it starts nothing: {error}", err=True)
        else:
            found.append(spec)
    return tuple(spec for spec in found if spec.retrain.on_arrival)
