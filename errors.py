"""Every error that Evergreen raises on purpose: what was received, why it is refused, how to fix it.

EvergreenError
├── InvalidName              a model name that could not be a file or a column value
├── UnknownModel             no file in models/ defines this model
├── InvalidSpec              a ModelSpec that contradicts itself
├── InvalidSchedule          a cron that is none, or no place for it in prefect.yaml
├── InvalidBacktest          policies or a time that cannot be replayed, or a file that holds no backtest
├── RegistryError
│   ├── RegistryOutdated     the database's schema is not the one this code knows
│   ├── NoChampion           nothing was promoted yet
│   ├── AlreadyBootstrapped  version 1 exists
│   ├── UnknownVersion       no version has this number
│   ├── UnknownPartition     no partition has this digest
│   ├── PromotionConflict    someone else promoted first
│   ├── NothingToApprove     a version that does not wait for a person's approval, or no more
│   ├── ArrivalConflict      somebody else took rows, or this very file, first
│   ├── AnotherConsumer      another run learns this model's events
│   ├── NothingToRollBack    no clean version was champion before
│   ├── TaintedVersion       it learned from a recalled partition
│   ├── CannotBackUp         no registry to back up, or a folder that holds something else
│   ├── CannotRestore        no whole backup, or a place that is not empty
│   └── RegistryUnavailable  the database cannot be reached, read or written
├── ArtifactError
│   ├── ArtifactMissing      a file that the registry names is gone
│   ├── ArtifactCorrupt      a file's bytes are not the ones that were registered
│   ├── ArtifactUnwritable   the artifact root refused a write (full, read-only, no permission)
│   ├── UnknownLayer         the model has a layer that Keras does not know in this process
│   ├── UnusableVersion      a fresh process cannot load a version, or answers otherwise than the one that judged it
│   └── UnsafeModel          the model would run arbitrary code when loaded
├── ArrivalError
│   ├── UnreachableSource    a landing, folder or database that is not there, or gives no answer
│   ├── FileNotReady         a landed file that cannot be read yet; nothing is recorded of it
│   ├── UnreadableFile       a landed file that cannot be parsed
│   ├── SchemaMismatch       columns missing, renamed, or of the wrong type
│   └── TooManyBadRows       more bad rows than the policy allows
├── TrainingError
│   ├── NotEnoughData        too few labelled rows to train or to judge
│   ├── TrainingDiverged     the loss or a weight became NaN or infinite
│   ├── UnusableFeatures     the base makes features of rows that are not finite
│   ├── CannotSplit          the model's graph cannot be cut at this layer
│   ├── CannotReadapt        it is not known how a layer would take more words
│   └── CannotAdopt          a model that was trained elsewhere cannot be taken over as it is
├── ServerFailed             a server, worker or helper process does not run
└── StepFailed               a library's error that nobody foresaw; what it quotes is left out
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

# Those that a service can meet too are the client's.
from evergreen_client.errors import (
    ArrivalError,
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    EvergreenError,
    NoChampion,
    RegistryError,
    RegistryOutdated,
    RegistryUnavailable,
    SchemaMismatch,
    UnknownLayer,
    UnsafeModel,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from numpy.typing import NDArray

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The question to begin a fix with, if a name looks like a misspelt one of those known; else nothing.

    Example:
        >>> did_you_mean("flihgts", ["digits", "flights"]) + "use one of: digits, flights"
        "did you mean 'flights'? use one of: digits, flights"
    """
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a sentence: the first ones, and how many more there are.

    Example:
        >>> listed(["age", "plan", "town"], most=2)
        'age, plan and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


class InvalidName(EvergreenError):
    """A model name that could not be a file or a column value."""


def valid_name(name: str) -> str:
    """A model's name, if it is safe as a file name and as a column value.

    Raises:
        InvalidName: it is not 1 to 63 of a-z, 0-9, _ and -, a letter first.

    Example:
        >>> valid_name("card-fraud")
        'card-fraud'
    """
    if not NAME.fullmatch(name):
        shown = name if len(name) <= 40 else f"{name[:40]}…"
        raise InvalidName(
            f"model name {shown!r}",
            "a name is 1 to 63 lower-case letters, digits, _ and -, and begins with a letter",
            "choose a name like flights or card-fraud_2",
        )
    return name


class UnknownModel(EvergreenError):
    """No file in models/ defines this model."""


class InvalidSpec(EvergreenError):
    """A ModelSpec that contradicts itself."""


class InvalidSchedule(EvergreenError):
    """A cron that is none, or no place for it in prefect.yaml."""


class InvalidBacktest(EvergreenError):
    """Policies or a time that cannot be replayed, or a file that holds no backtest."""


class AlreadyBootstrapped(RegistryError):
    """Version 1 exists."""


class UnknownVersion(RegistryError):
    """No version has this number."""


class UnknownPartition(RegistryError):
    """No partition has this digest."""


class PromotionConflict(RegistryError):
    """Someone else promoted first."""


class NothingToApprove(RegistryError):
    """A version that does not wait for a person's approval, or no more."""


class ArrivalConflict(RegistryError):
    """Somebody else took rows, or this very file, first."""


class AnotherConsumer(RegistryError):
    """Another run learns this model's events."""


class NothingToRollBack(RegistryError):
    """No clean version was champion before."""


class TaintedVersion(RegistryError):
    """It learned from a recalled partition."""


class CannotBackUp(RegistryError):
    """There is no registry to back up, or the folder holds something else."""


class CannotRestore(RegistryError):
    """There is no whole backup, or the place that it is to go to is not empty."""


class ArtifactUnwritable(ArtifactError):
    """The artifact root refused a write."""


class UnusableVersion(ArtifactError):
    """A fresh process cannot load a version, or answers otherwise than the one that judged it."""


class UnreachableSource(ArrivalError):
    """A landing, folder or database that is not there, or gives no answer."""


class FileNotReady(ArrivalError):
    """A landed file that cannot be read yet; nothing is recorded of it."""


class UnreadableFile(ArrivalError):
    """A landed file that cannot be parsed."""


class TooManyBadRows(ArrivalError):
    """More bad rows than the policy allows."""


class TrainingError(EvergreenError):
    """A model cannot be trained or judged."""


class NotEnoughData(TrainingError):
    """Too few labelled rows to train or to judge."""


class TrainingDiverged(TrainingError):
    """The loss or a weight became NaN or infinite.

    Where events are learned one by one, `before` has what was predicted of those before it was seen.
    """

    before: Sequence[Any] | NDArray[Any] = ()


class UnusableFeatures(TrainingError):
    """The base makes features of rows that are not finite."""


class CannotSplit(TrainingError):
    """The model's graph cannot be cut at this layer."""


class CannotReadapt(TrainingError):
    """It is not known how a layer would take more words."""


class CannotAdopt(TrainingError):
    """A model that was trained elsewhere cannot be taken over as it is."""


class ServerFailed(EvergreenError):
    """A server, worker or helper process does not run."""


class StepFailed(EvergreenError):
    """A library's error that nobody foresaw."""
