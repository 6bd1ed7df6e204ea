"""`evergreen partitions`: what arrived, what was refused and why, and how to recall a bad delivery."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from cli.arguments import Digest, Model, open_named_registry
from cli.overrides import recall
from cli.printing import SHORT, Json, print_facts, print_json, print_records, print_table, say
from settings import get_settings

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord

app = typer.Typer(help="What arrived: partitions, what was refused, recalling a delivery.", no_args_is_help=True)
app.command()(recall)  # the registry's own verb, here too: this is where people find a bad delivery


@app.command("list")
def list_partitions(model: Model, json: Json = False) -> None:
    """List the partitions that count, oldest event time first."""
    with open_named_registry() as registry:
        landed = registry.landed_files(model)
        found = registry.partitions(model)
        pending = {partition.digest for partition in registry.pending(model)}
    columns: dict[str, Callable[[PartitionRecord], object]] = {
        "digest": lambda p: p.digest[:SHORT],
        "from": lambda p: p.time_from,
        "to": lambda p: p.time_to,
        ">rows": lambda p: p.rows,
        ">labelled": lambda p: p.labelled_rows,
        ">holdout": lambda p: p.holdout_rows,
        "kind": lambda p: p.kind,
        "": lambda p: " ".join(["late"] * p.late + ["pending"] * (p.digest in pending)),
        "source": lambda p: p.source_uri,
    }
    print_records(found, json, columns, empty=f"{model}: nothing has arrived")
    bad, conflicts = sum(file.refused for file in landed), sum(file.conflicts for file in landed)
    if (bad or conflicts) and not json:
        say(f"{bad:,} rows refused, {conflicts:,} conflicts: see `evergreen partitions refused {model}`")


@app.command()
def show(model: Model, digest: Digest, json: Json = False) -> None:
    """Show a partition, and its first rows."""
    import polars as pl
    from polars import selectors as cs

    from db.artifacts import ArtifactStore

    settings = get_settings()
    with open_named_registry() as registry:
        partition = registry.partition(model, digest)
        superseded = [one for one in registry.superseded(model) if one.partition == partition.digest]
    rows = (
        pl.scan_parquet(ArtifactStore(settings.artifact_root, settings.cache).fetch(partition.artifact))
        .select(~cs.contains("/"))  # what files hold, and windows, is for no terminal
        .head(5)
        .collect()
    )
    if json:
        print_json({"partition": partition, "rows": rows.to_dicts(), "superseded": superseded})
        return
    facts = {
        "from": partition.source_uri,
        "arrived": partition.arrived_at,
        "event time": f"{partition.time_from:%Y-%m-%d %H:%M:%S} to {partition.time_to:%Y-%m-%d %H:%M:%S} UTC",
        "rows": f"{partition.rows:,}, {partition.labelled_rows:,} labelled, {partition.holdout_rows:,} held out",
        "kind": partition.kind + (", late" if partition.late else ""),
        **{f"corrected by {one.by[:SHORT]}": f"{one.rows:,} rows" for one in superseded},
        "file": f"{partition.uri} ({partition.bytes:,} bytes)",
    }
    print_facts(f"{model}: partition {partition.digest}", facts)
    print_table(rows.columns, rows.rows(), empty="no rows")


@app.command()
def refused(model: Model, json: Json = False) -> None:
    """List the files and rows that were refused, and conflicts with rows taken before, with the reasons."""
    with open_named_registry() as registry:
        files = [landed for landed in registry.landed_files(model) if landed.reason]
        rows = registry.refusals(model)
    if json:
        print_json({"files": files, "rows": rows})
        return
    lines = [(f.at, "file", f"{f.uri}: {f.reason}") for f in files]
    lines += [(r.at, r.kind, f"{r.source_uri}: {r.rows:,} rows, {r.reason}\n  kept as {r.uri}") for r in rows]
    for at, kind, what in sorted(lines):
        say(f"{at:%Y-%m-%d %H:%M:%S}  {kind:8}  {what}")
    if not lines:
        say(f"{model}: nothing was refused")
