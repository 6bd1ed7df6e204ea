"""What a backtest says: on a terminal, as a page, and, if a person wants it, in the model's file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from cli.printing import percent, print_table, say
from errors import InvalidBacktest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.backtest_report import Report
    from evaluation.policy_figures import Figures

PRICES = 5  # columns of the oracle's table


def print_report(seen: Report) -> None:
    """Print what each policy came to, how far it is from the best there was, and the advice, last."""
    blocks = seen.compared.losses.blocks
    if blocks:
        say(f"{seen.backtest.model}: {len(blocks):,} blocks, {blocks[0]:%Y-%m-%d} to {blocks[-1]:%Y-%m-%d}")
    heads = [
        *("policy", ">loss", ">beside present", "interval of 90 %", ">retrains", ">promoted", ">refused"),
        *(">rolled back", ">CPU s", ">rows trained", ">labels"),
    ]
    print_table(heads, _lines(seen), empty="no policy was replayed")
    print_oracle(seen)
    say(f"\n{seen.advice.sentence}")
    for remark in seen.advice.remarks:
        say(f"  {remark}")


def _lines(seen: Report) -> Iterator[Sequence[object]]:
    losses, present = seen.compared.losses, seen.backtest.present
    scale = losses.mean(present)
    for one in seen.compared.found:
        found = None if one.policy == present else losses.difference(one.policy, present)
        between = f"{found.low / scale:+.1%} to {found.high / scale:+.1%}" if found and scale else ""
        name = f"{one.policy} (present)" if one.policy == present else one.policy
        yield [name, one.mean, percent(found.mean / scale) if found and scale else "", between, *_counts(one)]
    for name in seen.backtest.baselines:
        yield [f"{name} (no model)", losses.mean(name), *[""] * 9]


def _counts(one: Figures) -> list[str]:
    numbers = one.retrains, one.promotions, one.refusals, one.rollbacks, round(one.cpu_s), one.trained_rows, one.labels
    return [f"{number:,}" for number in numbers]


def print_oracle(seen: Report) -> None:
    """Print how far each policy's total lies above the exact plan's, at prices over two decades."""
    if not seen.oracle:
        return
    at = seen.oracle[:: max((len(seen.oracle) - 1) // (PRICES - 1), 1)]
    say("\nabove the exact plan, which knows what came, at a price of a retrain in units of one row's loss")
    rows = [["retrains of the exact plan", *(f"{len(one.plan.retrains):,}" for one in at)]]
    rows += [[one.policy, *(percent(beside.above[one.policy]) for beside in at)] for one in seen.compared.found]
    print_table(["", *(f">{one.plan.price:.3g}" for one in at)], rows, empty="")


def write_page(seen: Report, path: Path) -> None:
    """Write the page."""
    from monitoring.backtest_page import backtest_page
    from monitoring.document import save

    save(backtest_page(seen), path)
    say(f"written to {path}", err=True)


def write_policy(seen: Report, changes: Mapping[str, Any], folders: Sequence[Path], *, yes: bool) -> bool:
    """Put the advised policy into the model's file, as a diff that a person confirms; False if there is nothing to do.

    Args:
        seen: the backtest and its advice.
        changes: what the advised policy replaces in the spec, as typed values by their path.
        folders: where model files are.
        yes: write it without asking.

    Raises:
        InvalidBacktest: the advice is one that no model file can hold.
        InvalidSpec: the file does not show the call plainly, or the spec would contradict itself.
    """
    from learning.catalog import load_spec

    model, advice = seen.backtest.model, seen.advice
    if advice.word in {"keep", "cannot tell"}:
        say(f"nothing to write: {advice.policy} is what {model} has")
        return False
    if advice.word == "never" or not changes:
        why = "a policy that never retrains is none that a model file can hold"
        fix = f"pause the schedule of retrain-{model} in prefect.yaml, or `evergreen models retire {model}`"
        raise InvalidBacktest(f"--write of '{advice.policy}'", why, fix)
    spec = load_spec(model, folders)
    path = next(found for folder in folders if (found := folder / f"{model}.py").is_file())
    before = path.read_bytes().decode()
    after = tried(before, changes, spec)
    if before == after:
        say(f"nothing to write: {os.path.relpath(path)} has it already")
        return False
    shown = unified_diff(before.splitlines(), after.splitlines(), *[os.path.relpath(path)] * 2, lineterm="")
    say("\n".join(shown))
    if not yes:
        typer.confirm(f"write this to {os.path.relpath(path)}?", abort=True)
    path.write_bytes(after.encode())
    say(f"wrote {os.path.relpath(path)}")
    return True


def tried(source: str, changes: Mapping[str, Any], spec: Any) -> str:
    """The text of the model file with the changes, once it is known that it gives a spec which has them.

    Raises:
        InvalidSpec: it does not, or the spec contradicts itself.
    """
    from cli.spec_edits import by_hand, edited
    from errors import InvalidSpec
    from learning.catalog import load_spec

    text = edited(source, changes, spec)
    with TemporaryDirectory() as folder:
        Path(folder, f"{spec.name}.py").write_bytes(text.encode())
        try:
            found = load_spec(spec.name, [Path(folder)])
            kept = all(_at(found, path) == value for path, value in changes.items())
        except (InvalidSpec, TypeError, NameError) as error:
            raise InvalidSpec(
                f"{spec.name}.py with {by_hand(changes, spec)}", str(error), "change it by hand"
            ) from error
    if not kept:
        why = "the file gives its spec these values in some other way"
        raise InvalidSpec(f"{spec.name}.py", why, f"write it there yourself: {by_hand(changes, spec)}")
    return text


def _at(spec: Any, path: str) -> Any:
    for name in path.split("."):
        spec = getattr(spec, name)
    return spec
