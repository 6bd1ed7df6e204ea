"""Records on a terminal: tables for people, JSON for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

SHORT = 12  # characters of a digest that people need
WIDE = 200  # columns of a table that goes into a file or a pipe, where nobody can make the window larger


def print_json(value: Any) -> None:
    """Print records as JSON: instants in ISO 8601, NaN and infinities as null."""
    from pydantic_core import to_json

    typer.echo(to_json(value, indent=2, inf_nan_mode="null"))


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

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        last = column == columns[-1]
        table.add_column(
            column.removeprefix(">"),
            justify="right" if column.startswith(">") else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(text(cell)) for cell in row))
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else WIDE).print(table)
    else:
        typer.echo(empty)


def print_facts(title: str, facts: dict[str, object]) -> None:
    """Print a title and one line a fact; needs no Rich, so that quick commands stay quick."""
    width = max(map(len, facts), default=0)
    typer.echo(title)
    for name, value in facts.items():
        typer.echo(f"  {name:<{width}}  {text(value)}")


def text(value: object) -> str:
    """A value for people: instants in UTC to the second, figures to four digits, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def percent(value: float | None) -> str:
    """A relative change."""
    return "" if value is None or math.isnan(value) else f"{value:+.1%}"
