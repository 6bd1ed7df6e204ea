"""One line a claim, `claim | measured | goal | holds`, and an exit code that says whether all of them hold."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Claims:
    """What a benchmark promised and what it measured."""

    broken: list[str] = field(default_factory=list)

    def at_least(self, claim: str, measured: float, goal: float, unit: str = "×") -> None:
        """Print a claim that is met from `goal` on upwards."""
        self._print(claim, f"{measured:.3g} {unit}", f"≥ {goal:.3g} {unit}", holds=measured >= goal)

    def at_most(self, claim: str, measured: float, goal: float, unit: str = "×") -> None:
        """Print a claim that is met up to `goal`."""
        self._print(claim, f"{measured:.3g} {unit}", f"≤ {goal:.3g} {unit}", holds=measured <= goal)

    @staticmethod
    def show(claim: str, measured: float, unit: str = "×") -> None:
        """Print a figure that has no goal."""
        print(f"{claim} | {measured:.3g} {unit} | |", flush=True)

    @property
    def exit_code(self) -> int:
        """1 if a claim does not hold."""
        return 1 if self.broken else 0

    def _print(self, claim: str, measured: str, goal: str, *, holds: bool) -> None:
        print(f"{claim} | {measured} | {goal} | {'yes' if holds else 'NO'}", flush=True)
        if not holds:
            self.broken.append(claim)
