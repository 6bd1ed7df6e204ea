"""Errors that a service can meet: what was received, why it is refused, how to fix it."""

from evergreen_client.shown import said


class EvergreenError(Exception):
    """An error in three parts, so that whoever reads it knows what to do next.

    Each part is made fit to be seen here, so that whoever raises it need not think of secrets or control characters.

    Args:
        received: what came in, quoted.
        why: why it is refused.
        fix: what to do about it, as a command or an instruction.

    Example:
        >>> print(NoChampion("model 'flights'", "nothing was promoted yet", "run `evergreen bootstrap flights`"))
        model 'flights': nothing was promoted yet. To fix it: run `evergreen bootstrap flights`.
    """

    def __init__(self, received: str, why: str, fix: str) -> None:
        self.received, self.why, self.fix = said(received), said(why), said(fix)
        super().__init__(self.received, self.why, self.fix)  # positional, so that pickling across processes works

    def __str__(self) -> str:
        return f"{self.received}: {self.why}. To fix it: {self.fix}."


class RegistryError(EvergreenError):
    """The registry cannot do what was asked."""


class RegistryOutdated(RegistryError):
    """The database's schema is not the one this code knows."""


class NoChampion(RegistryError):
    """Nothing was promoted yet."""


class RegistryUnavailable(RegistryError):
    """The database cannot be reached, read or written."""


class ArtifactError(EvergreenError):
    """A file of the registry cannot be read or written."""


class ArtifactMissing(ArtifactError):
    """A file that the registry names is gone."""


class ArtifactCorrupt(ArtifactError):
    """A file's bytes are not the ones that were registered."""


class UnknownLayer(ArtifactError):
    """The model has a layer that Keras does not know in this process."""


class UnsafeModel(ArtifactError):
    """The model would run arbitrary code when loaded."""


class ArrivalError(EvergreenError):
    """Rows cannot be taken."""


class SchemaMismatch(ArrivalError):
    """Columns missing, renamed, or of the wrong type."""
