"""`evergreen partitions`: what arrived, what was refused and why, and how to take a bad delivery back."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.printing import SHORT, Json, print_facts, print_json, print_table
from cli.registry import recall
from settings import get_settings

app = typer.Typer(help="Arrived data: partitions, quarantine, taking back.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="Name of a model.")]
Digest = Annotated[str, typer.Argument(help="Digest of a partition, or how it begins.")]


@app.command("list")
def list_partitions(model: Model, json: Json = False) -> None:
    """List the partitions that count, oldest event time first."""
    from db.registry import open_registry

    with open_registry(get_settings().database_url) as registry:
        found = registry.partitions(model)
        pending = {partition.digest for partition in registry.pending(model)}
    if json:
        print_json(found)
        return
    print_table(
        ("digest", "from", "to", ">rows", ">labelled", ">holdout", "kind", "", "source"),
        [
            (p.digest[:SHORT], p.time_from, p.time_to, p.rows, p.labelled_rows, p.holdout_rows, p.kind,
             " ".join(word for word, yes in (("late", p.late), ("pending", p.digest in pending)) if yes), p.source_uri)
            for p in found
        ],
        empty=f"{model}: nothing has arrived",
    )  # fmt: skip


@app.command()
def show(model: Model, digest: Digest, json: Json = False) -> None:
    """Show a partition, and its first rows."""
    import polars as pl

    from db.artifacts import ArtifactStore
    from db.registry import open_registry

    settings = get_settings()
    with open_registry(settings.database_url) as registry:
        partition = registry.partition(model, digest)
    rows = (
        pl.scan_parquet(ArtifactStore(settings.artifact_root, settings.cache).fetch(partition.artifact))
        .head(5)
        .collect()
    )
    if json:
        print_json({"partition": partition, "rows": rows.to_dicts()})
        return
    facts = {
        "from": partition.source_uri,
        "arrived": partition.arrived_at,
        "event time": f"{partition.time_from:%Y-%m-%d %H:%M:%S} to {partition.time_to:%Y-%m-%d %H:%M:%S} UTC",
        "rows": f"{partition.rows:,}, {partition.labelled_rows:,} labelled, {partition.holdout_rows:,} held out",
        "kind": partition.kind + (", late" if partition.late else ""),
        "file": f"{partition.uri} ({partition.bytes:,} bytes)",
    }
    print_facts(f"{model}: partition {partition.digest}", facts)
    print_table(rows.columns, rows.rows(), empty="no rows")


@app.command()
def quarantine(model: Model, json: Json = False) -> None:
    """List the files and rows that were set aside, with the reasons."""
    from db.registry import open_registry

    with open_registry(get_settings().database_url) as registry:
        files = [landed for landed in registry.landed_files(model) if landed.reason]
        rows = registry.refusals(model)
    if json:
        print_json({"files": files, "rows": rows})
        return
    aside = [(f.at, f"{f.uri}: {f.reason}") for f in files]
    aside += [(r.at, f"{r.source_uri}: {r.rows:,} rows, {r.reason}\n  kept as {r.uri}") for r in rows]
    for at, what in sorted(aside):
        typer.echo(f"{at:%Y-%m-%d %H:%M:%S}  {what}")
    if not aside:
        typer.echo(f"{model}: nothing was set aside")


# Under this name too, as whoever looks at a bad delivery looks here.
app.command("revoke")(recall)
