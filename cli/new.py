"""`evergreen new`: a first models/NAME.py, drafted from a data file."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.init import add_deployments
from cli.printing import say
from cli.schema import Key, Target, Time
from errors import InvalidName, valid_name


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
    from cli.drafting.source import left_out, model_source
    from settings import get_settings

    path = (folder or get_settings().model_folders[0]) / f"{valid_name(name)}.py"
    if path.exists():
        raise InvalidName(f"model name '{name}'", f"{path} exists", "choose another name, or delete it")
    if not path.parent.is_dir():
        raise InvalidName(f"folder '{path.parent}'", "it is not there", "make it, or leave --folder out")
    found = guess(read_sample(data), time=time, target=target, key=key or ())
    path.write_text(model_source(found, name, data.name), encoding="utf-8")
    say(f"wrote {os.path.relpath(path)}")
    schema = found.schema
    time_and_key = f"time {schema.time or 'of arrival'}, key {' + '.join(schema.key)}"
    say(f"  {time_and_key}, target {schema.target}: {found.objective}")
    texts = f", and free text: {', '.join(schema.text)}" if schema.text else ""
    say(f"  {len(schema.numeric)} numeric and {len(schema.categorical)} categorical inputs{texts}")
    if left_out(found):
        say(f"  left out: {', '.join(left_out(found))}")
    if add_deployments(path.parent.with_name("prefect.yaml"), name):
        say("  its deployments, with their schedules, are at the end of prefect.yaml")
    say(f"Read it; then land files in the folder {name} and run: evergreen bootstrap {name}")
