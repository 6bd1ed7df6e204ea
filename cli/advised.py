"""What a backtest says: on a terminal, as a page, and, if a person wants it, in the model's file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.printing import percent, print_json, print_table, say
from cli.whole_files import write_whole
from errors import InvalidBacktest, InvalidSpec
from settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.backtest_report import Report
    from evaluation.backtests import Backtest
    from evaluation.policy_figures import Figures
    from learning.overrides import Policy
    from learning.spec import ModelSpec

PRICES = 5  # columns of the oracle's table

Price = Annotated[
    float | None,
    typer.Option(min=1e-12, help="What one retrain costs, in units of one row's loss; it then decides the advice."),
]
Page = Annotated[Path | None, typer.Option("--html", help="Write it as a page, one HTML file, to this path.")]
Write = Annotated[bool, typer.Option("--write", help="Put the advised policy into the model's file, once you say yes.")]
Yes = Annotated[bool, typer.Option("--yes", help="With --write: do not ask.")]


def tell(backtest: Backtest, price: float | None, html: Path | None, *, json: bool) -> None:
    """Say what a backtest comes to: on a terminal or as JSON, and as a page if one is wanted."""
    from evaluation.backtest_report import report

    seen = report(backtest, price)
    if html is not None:
        from monitoring.backtest_page import backtest_page
        from monitoring.document import save

        save(backtest_page(seen), html)
        say(f"written to {html}", err=True)
    if json:
        print_json({**vars(backtest), "advice": seen.advice})
    else:
        print_report(seen)


def print_report(seen: Report) -> None:
    """Print what each policy came to, how far it is from the best there was, and the advice, last."""
    blocks = seen.compared.losses.blocks
    if blocks:
        say(f"{seen.backtest.model}: {len(blocks):,} blocks, {blocks[0]:%Y-%m-%d} to {blocks[-1]:%Y-%m-%d}")
    heads = ["policy", ">loss", ">difference", "90 % interval", ">retrains", ">promoted", ">refused"]
    heads += [">rolled back", ">CPU s", ">rows trained"]
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
        name = f"{one.policy} (present)" if one.policy == present != "present" else one.policy
        yield [name, one.mean, percent(found.mean / scale) if found and scale else "", between, *_counts(one)]
    for name in seen.backtest.baselines:
        yield [f"{name} (no model)", losses.mean(name), *[""] * 8]


def _counts(one: Figures) -> list[str]:
    numbers = one.retrains, one.promotions, one.refusals, one.rollbacks, round(one.cpu_s), one.trained_rows
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


def offer(backtest: Backtest, price: float | None, *, yes: bool) -> None:
    """Put the advised policy into the model's file, as a diff that a person confirms.

    Args:
        backtest: what was replayed.
        price: of one retrain; None where nobody named one.
        yes: write it without asking.

    Raises:
        InvalidBacktest: the advice is one that no model file can hold.
        InvalidSpec: the file does not show the call plainly, or the spec would contradict itself.
    """
    from evaluation.advice import advise, named
    from learning.catalog import load_spec
    from learning.overrides import Policy

    model, advice, folders = backtest.model, advise(backtest, price), get_settings().model_folders
    if advice.word in {"keep", "cannot tell"}:
        say(f"nothing to write: {named(advice.policy)} is what {model} has")
        return
    if advice.word == "never":
        why = "a policy that never retrains is none that a model file can hold"
        fix = f"take the schedule of retrain-{model} out of prefect.yaml, or `evergreen models retire {model}`"
        raise InvalidBacktest(f"--write of '{advice.policy}'", why, fix)
    spec = load_spec(model, folders)
    changes = changed_values(spec, Policy(advice.policy, backtest.policy(advice.policy).overrides))
    path = next(found for folder in folders if (found := folder / f"{model}.py").is_file())
    before = path.read_bytes().decode()
    after = tried(before, changes, spec)
    name = os.path.relpath(path)
    say("\n".join(unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")), err=True)
    if yes or typer.confirm(f"write this to {name}?", err=True):
        write_whole(path, after)
        say(f"wrote {name}", err=True)
    else:
        say(f"{name} stays as it is", err=True)


def changed_values(spec: ModelSpec, policy: Policy) -> dict[str, Any]:
    """What a policy replaces in a spec, as the values that the spec would have then; stages are replaced as a whole.

    Example:
        >>> from learning.overrides import Policy
        >>> from models.flights import spec
        >>> changed_values(spec, Policy("mine", {"retrain.every": "30d", "gate.min_gain": "0"}))
        {'retrain.every': '30d', 'gate.min_gain': 0.0}
    """
    from learning.overrides import overridden

    new, found = overridden(spec, policy), dict[str, Any]()
    for path in policy.overrides:
        value: Any = new
        known = list[str]()
        for part in path.split("."):
            stage = not hasattr(value, part)  # "head" of finetune.head.epochs is a stage's name
            known.append("stages" if stage else part)
            value = getattr(value, known[-1])
            if stage:
                break
        found[".".join(known)] = value
    # What lies within a part that is replaced as a whole is in it already.
    return {path: value for path, value in found.items() if not any(path.startswith(f"{whole}.") for whole in found)}


def tried(source: str, changes: Mapping[str, Any], spec: Any) -> str:
    """The text of the model file with the changes, once it is known that it gives a spec which has them.

    Raises:
        InvalidSpec: it does not, or the spec contradicts itself.
    """
    from cli.spec_edits import by_hand, edited
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
