"""`evergreen demo`: a real model is kept fresh on data that arrive week by week, or month by month."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.prefect_home import keep_prefect_here
from cli.printing import say
from cli.running import told_to_stop
from settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.table import Table

    from demo.demos import Demo
    from tasks.run import Context

app = typer.Typer(help="See Evergreen work on real data: flights, or images of digits.", no_args_is_help=True)

Model = Annotated[
    Literal["flights", "digits"],
    typer.Option(help="flights: late arrivals, week by week. digits: images whose look changes, month by month."),
]
Arrivals = Annotated[
    int | None,
    typer.Option("--arrivals", "--weeks", "--months", min=1, help="How many weeks or months, each in one file."),
]


@app.command()
def data(model: Model = "flights", arrivals: Arrivals = None) -> None:
    """Write the files of a demo to the landing folder, and train nothing. By default all of them."""
    from demo.demos import DEMOS

    shown = DEMOS[model]
    files = shown.write(Path(get_settings().landing), shown.numbers[:arrivals])
    say(f"{len(files)} files in {files[0].parent}")


@app.command()
def run(model: Model = "flights", arrivals: Arrivals = None) -> None:
    """Train version 1 on the first files, then retrain as more arrive. Run it again for the next ones."""
    from rich.console import Console

    from demo.demos import DEMOS

    keep_prefect_here(get_settings())
    shown, console = DEMOS[model], Console()
    arrivals = arrivals or shown.at_once
    console.print(f"[bold]Evergreen demo[/]: {shown.subject}, {arrivals} {shown.unit}ly arrivals.")
    from flows.demo import demo
    from tasks.run import open_context

    with told_to_stop():
        outcomes = demo(model, arrivals)
    if not outcomes:
        over = f"The year is over: every {shown.unit} has arrived."
        console.print(f"{over} Remove the demo's folder to start again.")
    with open_context(model) as context:
        show_story(console, context, shown)


def show_story(console: Console, context: Context, shown: Demo) -> None:
    """Print what each arrival brought, the versions, and what to open next."""
    from cli.registry import versions

    model, loss = shown.model, context.spec.objective.loss_name
    before = f"{loss} on each {shown.unit} before anything learned from it, lower is better"
    console.print(f"\n[bold]{model}[/]: {before}\n")
    console.print(story(context, shown.unit))
    console.print(f"\n[bold]Versions[/]: evergreen registry versions {model}\n")
    versions(model)
    console.print("\n[bold]Open next[/]\n")
    for name, step in next_steps(context, shown):
        console.print(f"  {name:<16} {step}", soft_wrap=True, highlight=False, markup=False)


def story(context: Context, unit: str) -> Table:
    """A line an arrival: its drift, its run's end, and what the champion of the day scored beside two others."""
    from rich.table import Table

    from monitoring.track_record import mean_losses, track_record

    registry, spec = context.registry, context.spec
    record = track_record(spec, registry, context.partition_files)
    runs = {run.id: run for run in registry.runs(spec.name, limit=1000)}
    checks = {check.run_id: check for check in registry.drift_checks(spec.name)}
    scored_by = {score.partition: score.run_id for score in registry.scores(spec.name) if score.run_id is not None}

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (f"{unit} from", "drifted", "run ended", "champion"):
        table.add_column(name, no_wrap=True)
    for name in ("kept fresh", "v1 alone", "constant"):
        table.add_column(name, justify="right")
    for line in record:
        run = runs.get(scored_by.get(line.digest, -1))
        check = checks.get(run.id) if run else None
        drifted = f"{check.share:.0%} of columns" if check else ""
        outcome = (run.outcome or "") if run else ""
        table.add_row(f"{line.time_from:%Y-%m-%d}", drifted, outcome, f"v{line.champion}", *best_in_bold(line.losses))
    if record:
        table.add_section()
        table.add_row("all", "", "", "", *best_in_bold(mean_losses(record)))
    return table


def best_in_bold(losses: Sequence[float]) -> list[str]:
    """Losses as text, the lowest one in bold."""
    return [f"[bold]{loss:.4f}[/]" if loss == min(losses) else f"{loss:.4f}" for loss in losses]


def next_steps(context: Context, shown: Demo) -> Iterator[tuple[str, str]]:
    """What to open or to run next: a name for it, and a file or a command."""
    settings, query = context.settings, "'SELECT * FROM version_history'"
    if (page := settings.monitor_page(shown.model)).exists():
        yield "how it fares", str(page)
    reports = sorted((settings.reports / shown.model).glob("drift-*.html"), key=lambda path: path.stat().st_mtime)
    yield "drift report", str(reports[-1]) if reports else "(no drift check yet)"
    yield "learning curves", f".venv/bin/tensorboard --logdir {settings.logs}"
    yield "registry", f"sqlite3 -box {settings.home / 'registry.db'} {query}"
    if shown.landed(Path(settings.landing)) < len(shown.numbers):
        yield f"more {shown.unit}s", f"{shown.command}, once more"
    yield "schedule and UI", "make up"
