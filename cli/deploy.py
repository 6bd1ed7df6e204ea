"""`evergreen deploy`: a model's deployments and its schedule in prefect.yaml, as text, so that comments stay."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from cli.init import TEMPLATES
from cli.printing import say
from cli.whole_files import write_whole
from errors import InvalidSchedule, valid_name

FILE = Path("prefect.yaml")
CRON = re.compile(r"""^(\s*-?\s*cron:\s*)("[^"]*"|'[^']*'|[^#\n]*?)(\s*(?:#.*)?)$""", re.MULTILINE)
EXAMPLE = 'write five fields, minute, hour, day, month and day of the week, such as "0 6 * * 1" for Mondays at six'


def deploy(
    name: Annotated[str, typer.Argument(help="Name of a model, as models/NAME.py defines it.")],
    cron: Annotated[str, typer.Option(help='When to retrain it, such as "0 6 * * 1": Mondays at six.')] = "",
) -> None:
    """Add a model's deployments to prefect.yaml, or change when it is retrained."""
    from learning.catalog import load_spec
    from settings import get_settings

    load_spec(valid_name(name), get_settings().model_folders)
    if cron:
        refuse_bad_cron(cron)
    added = add_deployments(FILE, name)
    if added:
        say(f"added the deployments of {name} at the end of {FILE}")
    if cron:
        write_whole(FILE, rescheduled(_text(FILE), name, cron))
        say(f"retrain-{name} runs at {cron}")
    elif not added:
        _place(_text(FILE), name)
        say(f"the deployments of {name} are in {FILE}; nothing to add")
    say("`evergreen up` registers it when it starts; on a server of your own: `evergreen register`")


def add_deployments(file: Path, name: str) -> bool:
    """Append a model's deployments to a prefect.yaml; False if it was not written as `init` writes it.

    Text is appended, so that a person's comments stay. That is right only where the list of deployments is the
    file's last part, and the work pool has its short name.
    """
    text = _text(file)
    parts = [line.rstrip() for line in text.splitlines() if line[:1] not in {"", " ", "#"}]
    if parts[-1:] != ["deployments:"] or "&local" not in text or _entry("[a-z]+", name).search(text):
        return False
    deployments = Template((TEMPLATES / "deployments.yaml").read_text(encoding="utf-8")).substitute(name=name)
    write_whole(file, text.rstrip() + "\n" + deployments)
    return True


def rescheduled(text: str, name: str, cron: str) -> str:
    r"""The text of a prefect.yaml in which one model is retrained at another time; all else stays as it is.

    Raises:
        InvalidSchedule: the file has no deployment of this model, or not exactly one cron in it.

    Example:
        >>> text = '  - name: retrain-shop\n    schedules:\n      - cron: "0 6 * * 1"   # Mondays\n'
        >>> print(rescheduled(text, "shop", "0 5 * * *").splitlines()[-1])
              - cron: "0 5 * * *"   # Mondays
    """
    start, end = _place(text, name)
    found = list(CRON.finditer(text, start, end))
    if len(found) != 1:
        fix = f'edit {FILE} by hand: under schedules of retrain-{name}, one line `- cron: "{cron}"`'
        raise InvalidSchedule(f"deployment retrain-{name}", f"it has {len(found)} crons", fix)
    (line,) = found
    return f'{text[: line.start(2)]}"{cron}"{text[line.end(2) :]}'


def refuse_bad_cron(cron: str) -> None:
    """Refuse what Prefect would not take as a cron.

    Raises:
        InvalidSchedule: it is none.
    """
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise InvalidSchedule(f"cron {cron!r}", "Prefect cannot read it", EXAMPLE) from error
    if len(cron.split()) != 5:
        raise InvalidSchedule(f"cron {cron!r}", f"it has {len(cron.split())} fields", EXAMPLE)


def _place(text: str, name: str) -> tuple[int, int]:
    """Where in the text the deployment that retrains a model begins and ends."""
    begin = _entry("retrain", name).search(text)
    if begin is None:
        fix = f"change into the project's folder; or add it, as {TEMPLATES / 'deployments.yaml'} has it"
        raise InvalidSchedule(f"{FILE.absolute()}", f"it has no deployment retrain-{name}", fix)
    following = re.compile(rf"^ {{0,{len(begin[1])}}}[^ #\n]", re.MULTILINE).search(text, begin.end())
    return begin.end(), following.start() if following else len(text)


def _entry(flow: str, name: str) -> re.Pattern[str]:
    """The line of a prefect.yaml at which a deployment of a model begins."""
    return re.compile(rf"""^( *)- name: ["']?{flow}-{name}["']? *(#.*)?$""", re.MULTILINE)


def _text(file: Path) -> str:
    """What is in a file; nothing where there is none."""
    return file.read_text(encoding="utf-8") if file.is_file() else ""
