"""`evergreen registry`: what is in production, since when, why, learned from what, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import approvals, overrides, promises
from cli.arguments import Limit, Model, Number, open_named_registry
from cli.printing import SHORT, Json, percent, print_facts, print_json, print_records, print_table, say
from cli.promises import print_evaluation
from settings import get_settings

if TYPE_CHECKING:
    from db.records import PromotionRecord, RunRecord, VersionSummary
    from db.verdict_records import DriftCheckRecord

app = typer.Typer(help="Versions, promotions and verdicts.", no_args_is_help=True)
WORDS: tuple[Callable[..., None], ...] = (
    overrides.promote,
    overrides.rollback,
    overrides.recall,
    promises.promises,
    approvals.approvals,
    approvals.approve,
    approvals.reject,
)
for command in WORDS:
    app.command()(command)


@app.command()
def champion(
    model: Model,
    at: Annotated[datetime | None, typer.Option(help="As it was then, in UTC, as 2026-11-22T08:00:00.")] = None,
    json: Json = False,
) -> None:
    """Show the version that is in production."""
    with open_named_registry() as registry:
        when = at.replace(tzinfo=UTC) if at else None
        version = registry.find_champion(model, when) if when else registry.champion(model)
        history = [p for p in registry.promotions(model) if when is None or p.at <= when]
        tainted = version is not None and version.number in registry.tainted(model)
    if json:
        print_json({"version": version, "promotion": history[-1] if history else None, "tainted": tainted})
    elif version is None:
        say(f"{model}: nothing was in production then")
    else:
        print_facts(
            f"{model}: version {version.number}",
            {
                "since": f"{history[-1].at:%Y-%m-%d %H:%M:%S} UTC, {history[-1].kind} by {history[-1].actor}",
                "because": history[-1].reason,
                "parent": f"version {version.parent}" if version.parent else "none",
                "base": version.base.uri,
                "head": version.head.uri,
            },
        )
        if tainted:
            say(f"It learned from recalled data: go back with `evergreen registry rollback {model} --reason …`")


@app.command()
def versions(
    model: Model,
    by: Annotated[str | None, typer.Option(help="Order by a metric, lowest first; -metric: highest first.")] = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List versions with the gate's verdict on each; * marks the champion."""
    with open_named_registry() as registry:
        found = registry.versions(model, order_by=by, limit=limit)
    metrics = {v.metric for v in found if v.metric}
    value = metrics.pop() if len(metrics) == 1 else "value"
    columns: dict[str, Callable[[VersionSummary], object]] = {
        "": lambda v: "*" if v.champion else "",
        ">version": lambda v: v.number,
        ">parent": lambda v: v.parent,
        "created": lambda v: v.created_at,
        "base": lambda v: v.base[:SHORT],
        "head": lambda v: v.head[:SHORT],
        "verdict": verdict,
        f">{value}": lambda v: v.value,
        ">change": lambda v: percent(v.delta),
        ">against": lambda v: v.against,
        "reason": lambda v: v.reason,
    }
    print_records(found, json, columns, empty=f"{model} has no version yet")


def verdict(version: VersionSummary) -> str:
    """The gate's verdict in a word or two."""
    judged = {True: "passed", False: "rejected", None: "not judged"}[version.passed]
    judged += f", refit of {version.refit_of}" if version.refit_of else ""
    return f"{judged}, tainted" if version.tainted else judged


@app.command()
def show(model: Model, number: Number, json: Json = False) -> None:
    """Show one version: its files, its figures, what it learned from, and how it, or its proof, was judged."""
    with open_named_registry() as registry:
        version = registry.version(model, number)
        learned = registry.trained_on(model, number)
        partly = registry.learned_by(model, number, "partly")
        refit = registry.refit(model, number)
        judged = [one for one in (version.refit_of, number) if one]
        evaluations = [evaluation for one in judged for evaluation in registry.evaluations(model, one)]
    if json:
        known = {"version": version, "refit": refit, "trained_on": learned, "partly": partly}
        print_json(known | {"evaluations": evaluations})
        return
    print_facts(
        f"{model}: version {number}",
        {
            "created": f"{version.created_at:%Y-%m-%d %H:%M:%S} UTC, by run {version.run_id}",
            "training": version.reason,
            "parent": f"version {version.parent}" if version.parent else "none",
            **({"refit of": f"version {version.refit_of}, its proof, which was judged"} if version.refit_of else {}),
            **({"refit": f"version {refit}, on all rows that were pending"} if refit else {}),
            "base": f"{version.base.digest[:SHORT]}  {version.base.uri}",
            "head": f"{version.head.digest[:SHORT]}  {version.head.uri}",
            "learned from": f"{sum(p.rows for p in learned):,} rows in {len(learned)} partitions, ancestors included"
            + (f"; older rows of {len(partly)} more, whose newer ones prove it" if partly else ""),
            **({"threshold": chosen["remark"]} if (chosen := version.plan.get("threshold")) else {}),
            **version.metrics,
        },
    )
    for evaluation in evaluations:
        print_evaluation(evaluation)


@app.command()
def curves(model: Model, number: Number, json: Json = False) -> None:
    """Show how a version's training went: a line for each epoch, a column for each figure."""
    with open_named_registry() as registry:
        points = registry.learning_curves(model, number)
    if json:
        print_json(points)
        return
    names = list(dict.fromkeys(point.name for point in points))
    epochs: dict[tuple[str, int], dict[str, float]] = {}
    for point in points:
        epochs.setdefault((point.stage, point.epoch), {})[point.name] = point.value
    print_table(
        ["stage", ">epoch", *(f">{name}" for name in names)],
        ([*epoch, *map(values.get, names)] for epoch, values in epochs.items()),
        empty=f"no learning curve of version {number} was recorded",
    )


@app.command()
def report(
    model: Model,
    number: Annotated[int | None, typer.Argument(help="Number of a version; by default the one judged last.")] = None,
    out: Annotated[Path | None, typer.Option(help="Path of the page; by default among the model's reports.")] = None,
) -> None:
    """Write the gate's verdict on a version as a page, one HTML file: rules, intervals, curves, drift, lineage."""
    from evaluation.promises import in_a_sentence
    from monitoring.document import save
    from monitoring.verdict_facts import judged
    from monitoring.verdict_page import verdict_page

    with open_named_registry() as registry:
        seen = judged(registry, model, number)
    path = out or get_settings().verdict_page(model, seen.evaluation.challenger)
    save(verdict_page(seen, in_a_sentence(seen.promises)), path)
    say(f"written to {path}")


@app.command()
def history(model: Model, json: Json = False) -> None:
    """List every promotion and rollback, newest last."""
    with open_named_registry() as registry:
        found = registry.promotions(model)
    columns: dict[str, Callable[[PromotionRecord], object]] = {
        ">#": lambda p: p.sequence,
        ">version": lambda p: p.number,
        "kind": lambda p: p.kind,
        "since": lambda p: p.at,
        "by": lambda p: p.actor,
        "reason": lambda p: p.reason,
    }
    print_records(found, json, columns, empty=f"nothing was promoted for {model} yet")


@app.command()
def lineage(model: Model, number: Number, json: Json = False) -> None:
    """List a version, all that it descends from, and the rows that each of them learned."""
    with open_named_registry() as registry:
        line = registry.lineage(model, number)
        learned = {v.number: registry.learned_by(model, v.number) for v in line}
        partly = {v.number: registry.learned_by(model, v.number, "partly") for v in line}
        tainted = registry.tainted(model)
        superseded = registry.superseded(model)
    digests = {number: {p.digest for p in partitions} for number, partitions in learned.items()}
    corrected = {  # what a version learned together with its corrections it learned without the older rows
        number: {one.partition for one in superseded if one.partition in known and one.by not in known}
        for number, known in digests.items()
    }
    if json:
        also = [{"tainted": v.number in tainted, "corrected": sorted(corrected[v.number])} for v in line]
        rows = [{"version": v, "learned": learned[v.number], "partly": partly[v.number]} for v in line]
        print_json([row | more for row, more in zip(rows, also, strict=True)])
        return
    print_table(
        [">version", ">parent", "learned", "from", "to", ">rows", "", "source"],
        (
            [
                *(v.number, v.parent, p.digest[:SHORT], p.time_from, p.time_to, f"{p.rows:,}"),
                note or ("corrected since" if p.digest in corrected[v.number] else ""),
                p.source_uri,
            ]
            for v in line
            for note, partitions in (("", learned[v.number]), ("older rows only", partly[v.number]))
            for p in partitions
        ),
        empty=f"version {number} and its ancestors learned from no partition that is still there",
    )
    if number in tainted:
        say(f"version {number} is tainted: it, or an ancestor, learned from a recalled partition")


@app.command()
def diff(model: Model, a: Number, b: Number, json: Json = False) -> None:
    """Show what separates two versions: settings, libraries, figures and data."""
    with open_named_registry() as registry:
        found = registry.diff(model, a, b)
    if json:
        print_json(found)
        return
    print_facts(
        f"{model}: version {a} and version {b}",
        {
            "base": "the same" if found.same_base else "different",
            "head": "the same" if found.same_head else "different",
            "common ancestor": f"version {found.ancestor}" if found.ancestor else "none",
            f"only {a} learned": ", ".join(digest[:SHORT] for digest in found.only_a) or "nothing",
            f"only {b} learned": ", ".join(digest[:SHORT] for digest in found.only_b) or "nothing",
        },
    )
    differences = {"metric": found.metrics, "plan": found.plan, "environment": found.environment}
    print_table(
        ["", "name", f"version {a}", f"version {b}"],
        ([kind, name, *pair] for kind, pairs in differences.items() for name, pair in pairs.items()),
        empty="no figure and no setting differs",
    )


@app.command()
def drift(model: Model, limit: Limit = 20, json: Json = False) -> None:
    """List drift checks, newest first."""
    with open_named_registry() as registry:
        found = registry.drift_checks(model, limit)
    columns: dict[str, Callable[[DriftCheckRecord], object]] = {
        "at": lambda check: check.at,
        ">run": lambda check: check.run_id,
        ">champion": lambda check: check.champion,
        "drifted": lambda check: "yes" if check.drifted else "no",
        ">columns": lambda check: f"{sum(column.drifted for column in check.columns)} of {len(check.columns)}",
        "reason": lambda check: check.reason,
    }
    print_records(found, json, columns, empty=f"{model} was not checked for drift yet")


@app.command()
def runs(model: Model, limit: Limit = 20, json: Json = False) -> None:
    """List runs with what each decided and why, newest first."""
    with open_named_registry() as registry:
        found = registry.runs(model, limit)
    columns: dict[str, Callable[[RunRecord], object]] = {
        ">run": lambda run: run.id,
        "started": lambda run: run.started_at,
        ">seconds": lambda run: f"{(run.finished_at - run.started_at).total_seconds():.1f}" if run.finished_at else "",
        "trigger": lambda run: run.trigger,
        "decision": lambda run: run.decision,
        "outcome": lambda run: run.outcome or "open",
        "reason": lambda run: run.reason,
    }
    print_records(found, json, columns, empty=f"{model} has not run yet")
