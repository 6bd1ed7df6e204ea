"""Records on a terminal: tables for people, JSON for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

import typer

from evergreen_client.shown import UNSEEN, masked, plain

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

SHORT = 12  # characters of a digest that people need
WIDE = 200  # columns of a table that goes into a file or a pipe, where nobody can make the window larger


def say(text: str, *, err: bool = False) -> None:
    """Print text, in which nothing that came out of data steers the terminal, and no secret stands."""
    typer.echo("\n".join(masked(plain(line)) for line in text.split("\n")), err=err)


def say_if_heard(text: str, *, err: bool = False) -> None:
    """Say something that nobody may hear any more: what looks after processes goes on when its terminal is closed."""
    with suppress(OSError):
        say(text, err=err)


def print_json(value: Any) -> None:
    """Print records as JSON: instants in ISO 8601, NaN and infinities as null, what steers a terminal written out."""
    from pydantic_core import to_json, to_jsonable_python

    written = to_json(_masked(to_jsonable_python(value, inf_nan_mode="null")), indent=2).decode()
    typer.echo(UNSEEN.sub(lambda sign: sign[0] if sign[0] == "\n" else f"\\u{ord(sign[0]):04x}", written))


def _masked(value: Any) -> Any:
    """The same value without the passwords of the URLs in it."""
    if isinstance(value, dict):
        return {key: _masked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_masked(part) for part in value]
    return _without_secrets(value) if isinstance(value, str) else value


def _without_secrets(value: str) -> str:
    """A value without the passwords that it may hold: most values need no closer look, and tables have thousands."""
    return masked(value) if "://" in value or "=" in value else value


def print_records(
    records: Sequence[Any], json: bool, columns: Mapping[str, Callable[[Any], object]], *, empty: str
) -> None:
    """Print records as JSON, or as a table: what each column is called, and what it shows of a record."""
    if json:
        print_json([record._asdict() if hasattr(record, "_asdict") else record for record in records])
    else:
        print_table(tuple(columns), ([show(record) for show in columns.values()] for record in records), empty=empty)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table; `empty` is printed where there are no rows. A column named ">x" is right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        last = column == columns[-1]
        table.add_column(
            Text(text(column.removeprefix(">")), "bold"),
            justify="right" if column.startswith(">") else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(text(cell)) for cell in row))
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else WIDE).print(table)
    else:
        say(empty)


def print_facts(title: str, facts: dict[str, object]) -> None:
    """Print a title and one line a fact; needs no Rich, so that quick commands stay quick."""
    width = max(map(len, facts), default=0)
    say(title)
    for name, value in facts.items():
        say(f"  {name:<{width}}  {text(value)}")


def text(value: object) -> str:
    """A value for people: instants in UTC to the second, figures to four digits, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return _without_secrets(plain(str(value)))


def percent(value: float | None) -> str:
    """A relative change."""
    return "" if value is None or math.isnan(value) else f"{value:+.1%}"
