"""`evergreen new`: a first models/NAME.py, drafted from a data file."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.deploy import add_deployments
from cli.printing import say
from cli.schema import Key, Target, Time
from cli.whole_files import write_whole
from errors import InvalidName, listed, valid_name

if TYPE_CHECKING:
    from cli.drafting.guess import Guess


def new(  # noqa: PLR0913, PLR0917 - typer makes every parameter an option
    name: Annotated[str, typer.Argument(help="Name of the new model; the file is models/NAME.py.")],
    data: Annotated[Path, typer.Option("--from", help="A CSV, Parquet or JSON Lines file with some of its rows.")],
    time: Time = "",
    target: Target = "",
    key: Key = None,
    folder: Annotated[Path | None, typer.Option(help="Where to write it; by default the models folder.")] = None,
) -> None:
    """Write a short models/NAME.py from a data file's columns, ready to read, correct and bootstrap."""
    from cli.drafting.guess import guess
    from cli.drafting.sample import read_sample
    from cli.drafting.source import model_source
    from settings import get_settings

    settings = get_settings()
    path = (folder or settings.model_folders[0]) / f"{valid_name(name)}.py"
    if path.exists():
        raise InvalidName(f"model name '{name}'", f"{path} exists", "choose another name, or delete it")
    if not path.parent.is_dir():
        raise InvalidName(f"folder '{path.parent}'", "it is not there", "make it, or leave --folder out")
    found = guess(read_sample(data), time=time, target=target, key=key or ())
    write_whole(path, model_source(found, name, data.name))
    say(f"wrote {os.path.relpath(path)}")
    _tell(found)
    deployed = add_deployments(path.parent.with_name("prefect.yaml"), name)
    if deployed:
        say(f"  its deployments are at the end of prefect.yaml; `evergreen deploy {name} --cron ...` reschedules it")
    say("Read it, and correct what was guessed wrong. Then:")
    land_here(name, settings.landing)
    for command in next_commands(name, data, settings.landing, deployed=deployed):
        say(f"  {command}")


def _tell(found: Guess) -> None:
    """What was guessed, and what a person should look at."""
    from cli.drafting.source import left_out
    from learning.policies import RetrainPolicy

    schema = found.schema
    time_and_key = f"time {schema.time or 'of arrival'}, key {listed(schema.key)}"
    say(f"  {time_and_key}, target {schema.target}: {found.objective}")
    texts = f", and free text: {', '.join(schema.text)}" if schema.text else ""
    say(f"  {len(schema.numeric)} numeric and {len(schema.categorical)} categorical inputs{texts}")
    if left_out(found):
        say(f"  left out: {listed(left_out(found))}")
    for doubt in found.doubts:
        if not doubt.startswith("left out:"):
            say(f"  ? {doubt}")
    if found.rows < RetrainPolicy.min_rows:
        enough = f"{RetrainPolicy.min_rows} labelled rows, or RetrainPolicy(min_rows=...) in the file"
        say(f"  ? rows: there are {found.rows}, and a bootstrap wants {enough}")


def land_here(name: str, landing: str) -> None:
    """Make the folder where a model's files land, unless it is in a store, which has no empty folders."""
    if "://" not in landing:
        (Path(landing) / name).mkdir(parents=True, exist_ok=True)


def next_commands(name: str, data: Path, landing: str, *, deployed: bool) -> tuple[str, str, str]:
    """What to paste next: land the file, train version 1, keep it fresh.

    Args:
        name: of the model.
        data: the file that it was drafted from.
        landing: folder or URL of all that lands.
        deployed: whether it is retrained on a schedule.
    """
    evergreen = "evergreen" if shutil.which("evergreen") else str(Path(sys.executable).with_name("evergreen"))
    land = f"# copy {data} to {landing}/{name}/"
    if "://" not in landing:
        land = shlex.join(["cp", str(data), os.path.relpath(Path(landing) / name) + "/"])
    fresh = [evergreen, "up"] if deployed else [evergreen, "retrain", name]
    return land, shlex.join([evergreen, "bootstrap", name]), shlex.join(fresh)
