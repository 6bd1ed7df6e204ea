"""Every error that Evergreen raises on purpose: what was received, why it is refused, how to fix it.

EvergreenError
├── InvalidName              a model name that could not be a file or a column value
├── UnknownModel             no file in models/ defines this model
├── InvalidSpec              a ModelSpec that contradicts itself
├── RegistryError
│   ├── RegistryOutdated     the database's schema is not the one this code writes
│   ├── NoChampion           nothing was promoted yet
│   ├── AlreadyBootstrapped  version 1 exists
│   ├── UnknownVersion       no version has this number
│   ├── UnknownPartition     no partition has this digest
│   ├── PromotionConflict    someone else promoted first
│   ├── ArrivalConflict      somebody else took rows, or this very file, first
│   ├── NothingToRollBack    no clean version was champion before
│   ├── TaintedVersion       it learned from a recalled partition
│   └── RegistryUnavailable  the database cannot be reached, read or written
├── ArtifactError
│   ├── ArtifactMissing      a file that the registry names is gone
│   ├── ArtifactCorrupt      a file's bytes are not the ones that were registered
│   ├── ArtifactUnwritable   the artifact root refused a write (full, read-only, no permission)
│   └── UnsafeModel          the model would run arbitrary code when loaded
├── ArrivalError
│   ├── FileNotReady         a landed file that cannot be read yet; nothing is recorded of it
│   ├── UnreadableFile       a landed file that cannot be parsed
│   ├── SchemaMismatch       columns missing, renamed, or of the wrong type
│   └── TooManyBadRows       more bad rows than the policy allows
├── TrainingError
│   ├── NotEnoughData        too few labelled rows to train or to judge
│   ├── TrainingDiverged     the loss became NaN or infinite
│   └── CannotSplit          the model's graph cannot be cut at this layer
└── ServerFailed             a server, worker or helper process does not run
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class EvergreenError(Exception):
    """An error in three parts, so that whoever reads it knows what to do next.

    Args:
        received: what came in, quoted.
        why: why it is refused.
        fix: what to do about it, as a command or an instruction.

    Example:
        >>> print(UnknownModel("model 'flihgts'", "no file models/flihgts.py defines it", "use one of: flights"))
        model 'flihgts': no file models/flihgts.py defines it. To fix it: use one of: flights.
    """

    def __init__(self, received: str, why: str, fix: str) -> None:
        super().__init__(received, why, fix)  # positional, so that pickling it across processes works
        self.received, self.why, self.fix = received, why, fix

    def __str__(self) -> str:
        return f"{self.received}: {self.why}. To fix it: {self.fix}."


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The question to begin a fix with, if a name looks like a misspelt one of those known; else nothing.

    Example:
        >>> did_you_mean("flihgts", ["digits", "flights"]) + "use one of: digits, flights"
        "did you mean 'flights'? use one of: digits, flights"
    """
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'? " if near else ""


class InvalidName(EvergreenError):
    """A model name that could not be a file or a column value."""


class UnknownModel(EvergreenError):
    """No file in models/ defines this model."""


class InvalidSpec(EvergreenError):
    """A ModelSpec that contradicts itself."""


class RegistryError(EvergreenError):
    """The registry cannot do what was asked."""


class RegistryOutdated(RegistryError):
    """The database's schema is not the one this code writes."""


class NoChampion(RegistryError):
    """Nothing was promoted yet."""


class AlreadyBootstrapped(RegistryError):
    """Version 1 exists."""


class UnknownVersion(RegistryError):
    """No version has this number."""


class UnknownPartition(RegistryError):
    """No partition has this digest."""


class PromotionConflict(RegistryError):
    """Someone else promoted first."""


class ArrivalConflict(RegistryError):
    """Somebody else took rows, or this very file, first."""


class NothingToRollBack(RegistryError):
    """No clean version was champion before."""


class TaintedVersion(RegistryError):
    """It learned from a recalled partition."""


class RegistryUnavailable(RegistryError):
    """The database cannot be reached, read or written."""


class ArtifactError(EvergreenError):
    """A file of the registry cannot be read or written."""


class ArtifactMissing(ArtifactError):
    """A file that the registry names is gone."""


class ArtifactCorrupt(ArtifactError):
    """A file's bytes are not the ones that were registered."""


class ArtifactUnwritable(ArtifactError):
    """The artifact root refused a write."""


class UnsafeModel(ArtifactError):
    """The model would run arbitrary code when loaded."""


class ArrivalError(EvergreenError):
    """Landed data cannot be taken."""


class FileNotReady(ArrivalError):
    """A landed file that cannot be read yet; nothing is recorded of it."""


class UnreadableFile(ArrivalError):
    """A landed file that cannot be parsed."""


class SchemaMismatch(ArrivalError):
    """Columns missing, renamed, or of the wrong type."""


class TooManyBadRows(ArrivalError):
    """More bad rows than the policy allows."""


class TrainingError(EvergreenError):
    """A model cannot be trained or judged."""


class NotEnoughData(TrainingError):
    """Too few labelled rows to train or to judge."""


class TrainingDiverged(TrainingError):
    """The loss became NaN or infinite."""


class CannotSplit(TrainingError):
    """The model's graph cannot be cut at this layer."""


class ServerFailed(EvergreenError):
    """A server, worker or helper process does not run."""
