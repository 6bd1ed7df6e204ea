"""Who is champion, read from the registry's public SQL view; nothing is ever written."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, RowMapping, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from evergreen_client.artifacts import StoredArtifact
from evergreen_client.database import BUSY_SECONDS, CONNECT_SECONDS, clear_errors, parse
from evergreen_client.errors import NoChampion, RegistryOutdated

CHAMPION = text("SELECT * FROM champion WHERE model = :model")  # not by name: an older view has fewer columns


@dataclass(frozen=True)
class ChampionRecord:
    """The version in production, and why it is.

    Args:
        number: of the version.
        reason: of its promotion, a sentence.
        base: its base.
        head: its head.
        classes: the words of its classes, in the order of its outputs; none where they have no words.
        threshold: of two classes, the chance above which the second is decided: what costs least, where the model has
            costs.
        outputs: of a model with several, the name of each and how many numbers it gives, in their order.
    """

    number: int
    reason: str
    base: StoredArtifact
    head: StoredArtifact
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    outputs: tuple[tuple[str, int], ...] = ()


class RegistryReader:
    """A registry to read from. Safe to use from many threads.

    Args:
        url: sqlite:////path/registry.db or postgresql://user@host/name.

    Raises:
        RegistryUnavailable: the URL is no URL, or names another database.
    """

    def __init__(self, url: str) -> None:
        self._engine = _open(parse(url))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def champion(self, model: str) -> ChampionRecord:
        """The version in production.

        Raises:
            NoChampion: nothing was promoted yet, or there is no such model.
            RegistryOutdated: it is no registry, or an older one.
            RegistryUnavailable: the database cannot be reached or read.
        """
        row = self._read(model)
        if row is None:
            raise NoChampion(
                f"model '{model}'", "nothing was promoted yet", f"train version 1: `evergreen bootstrap {model}`"
            )
        if "base_sha256" not in row:
            raise self._outdated("its views are of an older Evergreen")
        plan = _plan(row.get("plan"))  # a view of an older registry has no such column
        files = _file(row, "base"), _file(row, "head")
        at = (plan.get("threshold") or {}).get("at", 0.5)
        return ChampionRecord(row["version"], row["reason"], *files, _classes(plan), at, _outputs(plan))

    def _read(self, model: str) -> RowMapping | None:
        with clear_errors(self._engine), self._engine.connect() as connection:
            try:
                return connection.execute(CHAMPION, {"model": model}).mappings().one_or_none()
            except (OperationalError, ProgrammingError) as error:
                why = str(error.orig).splitlines()[0]
                if "champion" not in why:  # the view's name: it is not there, or may not be read
                    raise
                raise self._outdated(why) from error

    def _outdated(self, why: str) -> RegistryOutdated:
        fix = "run `evergreen db upgrade` on it, and see that EVERGREEN_DATABASE_URL names it and its user may read it"
        return RegistryOutdated(f"database {self._engine.url}", why, fix)


def _plan(plan: Any) -> dict[str, Any]:
    """A version's plan, which SQLite gives as text."""
    found: dict[str, Any] = json.loads(plan) if isinstance(plan, str) else plan or {}
    return found


def _classes(plan: dict[str, Any]) -> tuple[str, ...]:
    """The words of the classes in a version's plan; a number there says how many."""
    classes = ((plan.get("made_for") or {}).get("objective") or {}).get("classes")
    return tuple(classes) if isinstance(classes, list) else ()


def _outputs(plan: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    """The outputs in a version's plan, each with its width; none of a model that has only one."""
    found = ((plan.get("made_for") or {}).get("objective") or {}).get("outputs", ())
    return tuple((one["name"], _width(one["objective"])) for one in found)


def _width(objective: dict[str, Any]) -> int:
    """How many numbers an output is: a chance of each of several classes, and else one."""
    classes = objective.get("classes")
    if objective["kind"] != "Multiclass":
        return 1
    return len(classes) if isinstance(classes, list) else int(classes or 1)


def _file(row: RowMapping, part: str) -> StoredArtifact:
    digest, uri, sha256, size = (row[f"{part}_{name}"] for name in ("digest", "uri", "sha256", "bytes"))
    return StoredArtifact(digest, part, uri, sha256, size)


def _open(address: URL) -> Engine:
    """An engine that only reads; a database file that is not there is not made."""
    if address.get_backend_name() != "sqlite":
        # A service outlives restarts of its database: a connection is tried before it is used.
        return create_engine(
            address, pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": CONNECT_SECONDS}
        )
    if not address.database or address.database == ":memory:" or address.query:
        return create_engine(address, hide_parameters=True)

    path = f"file:{quote(str(Path(address.database).absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)

    return create_engine(address, hide_parameters=True, creator=connect)
