"""`evergreen demo`: real flights, arriving week by week."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tasks.run import Context

app = typer.Typer(help="See Evergreen work on the flights that left New York in 2013.", no_args_is_help=True)


@app.command()
def data(
    weeks: Annotated[int, typer.Option(min=1, max=52, help="Write the first WEEKS weeks of 2013.")] = 52,
) -> None:
    """Write the landing folder: one CSV file a week, flights joined with the weather at departure."""
    from demo.flights import write_flights

    files = write_flights(Path(get_settings().landing), range(1, weeks + 1))
    typer.echo(f"{len(files)} files in {files[0].parent}")


@app.command()
def run(
    weeks: Annotated[int, typer.Option(min=1, max=44, help="Weeks that arrive, one after the other.")] = 12,
) -> None:
    """Bootstrap on the first eight weeks, then retrain as more weeks arrive. Run it again for the next weeks."""
    from rich.console import Console

    settings = get_settings()
    # The demo asks for no server and touches no one's: its own home, its own short-lived one.
    prefect_home = settings.home / "prefect-demo"
    prefect_home.mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(prefect_home)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    os.environ.pop("PREFECT_API_URL", None)

    console = Console()
    console.print(f"[bold]Evergreen demo[/]: flights of 2013, {weeks} weekly arrivals. Starting Prefect …")
    from flows.demo import MODEL, demo
    from tasks.run import open_context

    outcomes = demo(settings.landing, weeks)
    if not outcomes:
        console.print("The year is over: every week has arrived. Remove the demo's folder to start again.")
    with open_context(MODEL) as context:
        show_story(console, context)


def best_in_bold(losses: Sequence[float]) -> list[str]:
    """Losses as text, the lowest one in bold."""
    return [f"[bold]{loss:.4f}[/]" if loss == min(losses) else f"{loss:.4f}" for loss in losses]


def show_story(console: Console, context: Context) -> None:
    """Print the versions, what each week brought, and what to open next."""
    from rich.table import Table

    from cli.registry import versions
    from monitoring.track_record import mean_losses, track_record

    registry, spec = context.registry, context.spec
    model, loss = spec.name, spec.objective.loss_name
    record = track_record(spec, registry, context.partition_files)
    runs = {run.id: run for run in registry.runs(model, limit=1000)}
    checks = {check.run_id: check for check in registry.drift_checks(model)}
    scored_by = {score.partition: score.run_id for score in registry.scores(model) if score.run_id is not None}

    console.print(f"\n[bold]{model}[/]: {loss} on each week before anything learned from it, lower is better\n")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("week from", "drifted", "run ended", "champion"):
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
    console.print(table)

    console.print(f"\n[bold]Versions[/]: evergreen registry versions {model}\n")
    versions(model)

    reports = sorted((context.settings.reports / model).glob("*.html"), key=lambda path: path.stat().st_mtime)
    query = "'SELECT * FROM version_history'"
    next_steps = {
        "drift report": str(reports[-1]) if reports else "(no drift check yet)",
        "learning curves": f".venv/bin/tensorboard --logdir {context.settings.logs}",
        "registry": f"sqlite3 -box {context.settings.home / 'registry.db'} {query}",
        "more weeks": "make demo, once more",
        "schedule and UI": "make up",
    }
    console.print("\n[bold]Open next[/]\n")
    for name, step in next_steps.items():
        console.print(f"  {name:<16} {step}", soft_wrap=True, highlight=False)
