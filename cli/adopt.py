"""`evergreen adopt`: a Keras model that was trained elsewhere becomes version 1, and is kept fresh from then on."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import open_named_registry
from cli.deploy import add_deployments
from cli.printing import print_table, say
from cli.schema import Key, Target, Time
from cli.whole_files import write_whole
from errors import CannotAdopt, InvalidName, listed, valid_name
from settings import get_settings

if TYPE_CHECKING:
    from cli.drafting.fitting import Fit
    from cli.drafting.outputs import Fresh
    from learning.existing import Existing

MORNING = datetime.min.time()
ALL_LEARNED = (
    "all rows of {} count as learned by it, held out or not, so that none of them judges a version: the safe "
    "assumption; --trained-until DATE says otherwise"
)
LEARNED_UNTIL = (
    "rows before {:%Y-%m-%d %H:%M} UTC count as learned by it; those after are pending: the next retrain learns them"
)


@dataclass(frozen=True)
class Draft:
    """What would be written, and what is known of the model: its own files lie in a folder that goes away.

    Args:
        name: of the model.
        path: where its file will be.
        kept: the saved model, as a `.keras` file.
        source: text of the model's file.
        existing: what the saved model tells.
        fit: the columns that fill its inputs.
        outputs: those that are kept fresh, and what for.
        doubts: what a person should look at.
    """

    name: str
    path: Path
    kept: Path
    source: str
    existing: Existing
    fit: Fit
    outputs: tuple[Fresh, ...]
    doubts: tuple[str, ...]


def adopt(  # noqa: PLR0913, PLR0917 - typer makes every parameter an option
    name: Annotated[str, typer.Argument(help="Name that the model gets here; the file is models/NAME.py.")],
    model: Annotated[Path, typer.Argument(help="The model: a .keras or .h5 file that Keras saved.")],
    data: Annotated[Path, typer.Option(help="A CSV, Parquet or JSON Lines file of rows that it was trained on.")],
    at: Annotated[
        str, typer.Option(help="Cut behind this layer; 'inputs': all learns. By default before the last two Dense.")
    ] = "",
    trained_until: Annotated[
        str, typer.Option(help="Last day, or instant in UTC, that it was trained on; by default all of the data.")
    ] = "",
    output: Annotated[
        list[str] | None,
        typer.Option(help="Of several outputs, the one that is kept fresh; for several OUTPUT=COLUMN, once for each."),
    ] = None,
    code: Annotated[Path | None, typer.Option(help="Python file that defines and registers layers of its own.")] = None,
    time: Time = "",
    target: Target = "",
    key: Key = None,
) -> None:
    """Take over a model that was trained elsewhere: version 1 has its very weights, and retrains keep it fresh."""
    before = instant_after(trained_until)
    path = free_place(name)
    with tempfile.TemporaryDirectory() as folder:
        columns = Columns(data, time, target, tuple(key or ()))
        draft = drafted(path, Saved(model, at, tuple(output or ()), code), columns, Path(folder))
        show(draft)
        exit_code = install(draft, data, before)
    say(LEARNED_UNTIL.format(before) if before else ALL_LEARNED.format(data.name))
    if add_deployments(path.parent.with_name("prefect.yaml"), name):
        say("its deployments are at the end of prefect.yaml: while `evergreen up` runs, it is retrained every Monday")
    say(f"Next: read {os.path.relpath(path)}; land new files in {shown_folder(landing_of(name))}/; then")
    say(f"  evergreen retrain {name}\n  evergreen registry versions {name}\n  evergreen monitor {name}")
    if exit_code:
        raise typer.Exit(exit_code)


@dataclass(frozen=True)
class Saved:
    """The model's file, and what a person says of it."""

    file: Path
    at: str
    outputs: tuple[str, ...]
    code: Path | None


@dataclass(frozen=True)
class Columns:
    """The data file, and what a person says of its columns."""

    file: Path
    time: str
    target: str
    key: tuple[str, ...]


def instant_after(until: str) -> datetime | None:
    """The first instant that a model was not trained on; None where nobody said.

    Example:
        >>> instant_after("2026-01-31").isoformat(), instant_after("2026-01-31T12:00").isoformat()
        ('2026-02-01T00:00:00+00:00', '2026-01-31T12:00:00.000001+00:00')
    """
    if not until:
        return None
    try:
        moment = datetime.fromisoformat(until)
    except ValueError as error:
        fix = "write a day, as 2026-01-31, or an instant, as 2026-01-31T12:00"
        raise CannotAdopt(f"--trained-until {until}", "it is no time in ISO 8601", fix) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole_day = len(until) <= len("2026-01-31")
    return moment + (timedelta(days=1) if whole_day else timedelta(microseconds=1))


def free_place(name: str) -> Path:
    """Where the model's file will be; refuses a name that is taken, in the models folder or in the registry."""
    path = get_settings().model_folders[0] / f"{valid_name(name)}.py"
    for there in (path, path.with_suffix(".keras")):
        if there.exists():
            raise InvalidName(f"model name '{name}'", f"{there} exists", "choose another name, or delete it")
    if not path.parent.is_dir():
        fix = "call this where your models are, or make it: `evergreen init FOLDER` does"
        raise InvalidName(f"folder '{path.parent}'", "it is not there", fix)
    from errors import UnknownModel

    with open_named_registry() as registry:
        try:
            versions = registry.versions(name, limit=1)
        except UnknownModel:
            versions = ()
        ended = registry.retired(name) if name in {model.name for model in registry.models()} else None
    if ended:
        fix = f"choose another name, or `evergreen models resume {name} --reason ...` first"
        raise InvalidName(f"model name '{name}'", f"it was retired: {ended.reason}", fix)
    if versions:
        why = f"the registry has versions of it, up to {versions[0].number}"
        raise InvalidName(f"model name '{name}'", why, "choose another name")
    return path


def drafted(path: Path, saved: Saved, columns: Columns, folder: Path) -> Draft:
    """Read model and rows, and find out how they fit; nothing is written but in the given folder."""
    from cli.drafting import outputs
    from cli.drafting.fitting import fit
    from cli.drafting.sample import read_sample
    from cli.drafting.source import AdoptedModel, adopted_source, objective_source
    from cli.drafting.written import as_typed
    from learning.adoption import Adopted
    from learning.existing import keep, look, run_code
    from learning.startup import start_tensorflow

    asked = outputs.asked_outputs(saved.outputs, columns.target)
    rows, written = as_typed(read_sample(columns.file))
    outputs.refuse_unknown(asked, rows)
    start_tensorflow()
    name, kept = path.stem, folder / saved.file.with_suffix(".keras").name  # by which a refusal names it
    if saved.code:
        run_code(saved.code, name)
    keep(saved.file, kept)
    output = outputs.output_of(asked)
    existing = look(kept, saved.at, output)
    inputs = rows.drop(one.target for one in asked[1:])
    found = fit(inputs, existing.inputs, time=columns.time, target=asked[0].target, key=columns.key).read_by(written)
    adopted = Adopted(kept, found.schema, existing.at, found.inputs, output)
    found, fresh = outputs.with_objectives(asked, existing.activations, found, adopted, rows, folder)
    text = saved.code.read_text(encoding="utf-8") if saved.code else ""
    objective, kinds = objective_source(fresh), outputs.kinds_of(fresh)
    model = AdoptedModel(name, saved.file.name, found, objective, existing.at, output, text, kinds)
    told = (*found.doubts, *(doubt for one in fresh for doubt in one.doubts))
    return Draft(name, path, kept, adopted_source(model), existing, found, fresh, told)


def show(draft: Draft) -> None:
    """Print the cut, the columns, and what is doubtful."""
    existing, schema = draft.existing, draft.fit.schema
    print_table(
        ["layer", "kind", ">weights", "gives", "part"],
        (
            [line.name, line.kind, f"{line.weights:,}", str(line.shape), "head" if line.head else "base"]
            for line in existing.layers
        ),
        empty="the model has no layers",
    )
    for part, chosen in (("base", False), ("head", True)):
        say(f"{part}: {sum(line.weights for line in existing.layers if line.head == chosen):,} weights")
    say(f"cut at '{existing.at}'; --at LAYER cuts behind another layer, --at inputs lets the whole model learn")
    known = f"time {schema.time or 'of arrival'}, key {listed(schema.key)}"
    first, *more = draft.outputs
    if more:
        say(f"{known}; {len(draft.outputs)} outputs, of whose losses the weighted sum decides:")
        for output in draft.outputs:
            say(f"  {output.name}: target {output.target}, {output.objective}, weight {output.weight:g}")
    else:
        say(f"{known}, target {first.target}: {first.objective}")
    for one in existing.inputs:
        say(f"input {one}: {listed(draft.fit.inputs.get(one.name, (one.name,)))}")
    if draft.fit.ignored:
        say(f"left out: {listed(draft.fit.ignored)}")
    kept = {one.name for one in draft.outputs}
    if others := [name for name in existing.outputs if name not in kept] if "" not in kept else []:
        many = f"{len(kept)} outputs are" if more else "one output is"
        say(f"{many} kept fresh; of the others ({', '.join(others)}) Evergreen has nothing: serve them as before")
    for doubt in draft.doubts:
        say(f"look at {doubt}")


def landing_of(name: str) -> str:
    """The folder, or URL, where a model's files land."""
    return f"{get_settings().landing.rstrip('/')}/{name}"


def shown_folder(place: str) -> str:
    """A folder as it is shortest to type from here; a URL stays as it is."""
    return place if "://" in place else os.path.relpath(place)


def install(draft: Draft, data: Path, before: datetime | None) -> int:
    """Write the files, land the rows, rehearse the adoption, then do it; a failure leaves nothing behind.

    Returns:
        The exit code: 3 where somebody should look at the run.
    """
    from cli.landing import divided, in_folder, landed
    from cli.prefect_home import keep_prefect_here
    from cli.running import run_to_its_end
    from learning.startup import large_import

    keep_prefect_here(get_settings())
    with large_import("prefect"):
        from flows.adopt import adopt as flow
        from tasks.adopt import rehearse

    folder, settings = landing_of(draft.name), get_settings()
    with ExitStack() as stack:
        stack.enter_context(written(draft))
        files = (
            []
            if in_folder(data, folder)
            else stack.enter_context(divided(data, draft.fit.schema.time, before, draft.fit.time_format))
        )
        stack.enter_context(landed(files, folder))
        rehearse(draft.name, settings, before)
        try:
            run_to_its_end(flow, draft.name, trained_before=before)
        except typer.Exit as ended:
            stack.pop_all()
            return ended.exit_code
        except BaseException:
            if in_production(draft.name):  # what failed came after it, as a report: the version needs its files
                stack.pop_all()
            raise
    return 0


def in_production(name: str) -> bool:
    """Whether a model has a champion."""
    with open_named_registry() as registry:
        return registry.find_champion(name) is not None


@contextmanager
def written(draft: Draft) -> Iterator[None]:
    """Write the model's two files; an exception takes them away again."""
    model = draft.path.with_suffix(".keras")
    try:
        shutil.copyfile(draft.kept, model)
        write_whole(draft.path, draft.source)
        say(f"wrote {os.path.relpath(draft.path)} and {os.path.relpath(model)}")
        yield
    except BaseException:
        draft.path.unlink(missing_ok=True)
        model.unlink(missing_ok=True)
        raise
