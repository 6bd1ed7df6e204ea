"""The registry: which version is in production, since when, why, learned from what, and how to go back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import approvals as waiting
from db import arrivals, checks, comparison, deliveries, lookups, online, promises, schema, verdicts
from db import lineage as lines
from db import models as whole
from db import promotions as production
from db import runs as run_records
from db import versions as version_records
from db.engine import open_engine, read_scope, session_scope
from db.known import Known

P = ParamSpec("P")
R = TypeVar("R")


def open_registry(url: str, *, alone: bool = False) -> ModelRegistry:
    """Open the registry at a database URL; in an empty database its tables are made first.

    Args:
        url: the database.
        alone: whether nobody else writes to it meanwhile.

    Raises:
        RegistryUnavailable: the database cannot be reached, or the URL names none.
        RegistryOutdated: its tables are not the ones this code writes; says what to do.
    """
    engine = open_engine(url)
    try:
        schema.prepare(engine)
    except BaseException:
        engine.dispose()
        raise
    return ModelRegistry(engine, alone=alone)


def in_transaction(
    scope: Callable[[Engine], AbstractContextManager[Session]], function: Callable[Concatenate[Session, P], R]
) -> Callable[Concatenate[ModelRegistry, P], R]:
    """Make a function of a session a method of the registry, each call of which is one transaction."""

    @wraps(function)
    def method(registry: ModelRegistry, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with scope(registry.engine) as session:
            return function(session, *args, **kwargs)

    return method


def reading(function: Callable[Concatenate[Session, P], R]) -> Callable[Concatenate[ModelRegistry, P], R]:
    """The same for one that only reads: whoever is alone asks the database once until what it says may have changed."""
    asked = in_transaction(read_scope, function)

    @wraps(function)
    def method(registry: ModelRegistry, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if registry.known is None:
            return asked(registry, *args, **kwargs)
        question = function, args, tuple(sorted(kwargs.items()))
        return registry.known.answer(question, lambda: asked(registry, *args, **kwargs))

    return method


writing = partial(in_transaction, session_scope)


class ModelRegistry:
    """Every model, version, promotion, run and verdict. Each call is one transaction.

    What a method takes, gives and raises stands at the function it names, which takes the session in its place.

    Args:
        engine: a database that has the registry's tables; `open_registry` sees to that.
        alone: whether nobody else writes to it while this is open, as to a backtest's: what was read is known then
            until a table that it came from is written to.

    Example:
        >>> with open_registry("sqlite:///registry.db") as registry:
        ...     registry.add_model("flights")
        ...     registry.pending("flights")
        ()
    """

    def __init__(self, engine: Engine, *, alone: bool = False) -> None:
        self.engine = engine
        self.known = Known(engine) if alone else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    add_model = writing(lookups.add_model)
    model_id = reading(lookups.model_id)
    models = reading(whole.models)
    model_events = reading(whole.model_events)
    retired = reading(whole.retired)
    retire = writing(whole.retire)
    resume = writing(whole.resume)
    rename = writing(whole.rename)

    # What arrived
    record_arrival = writing(arrivals.record_arrival)
    record_arrivals = writing(arrivals.record_arrivals)
    ledger = reading(arrivals.ledger)
    partition_at = reading(arrivals.partition_at)
    recalled = reading(arrivals.recalled)
    watermark = reading(arrivals.watermark)
    landed_files = reading(arrivals.landed_files)
    earlier_outcomes = reading(arrivals.earlier_outcomes)
    last_ingest = reading(arrivals.last_ingest)
    taken_contents = reading(arrivals.taken_contents)
    newest_arrival = reading(arrivals.newest_arrival)
    refusals = reading(arrivals.refusals)
    superseded = reading(arrivals.superseded)
    named_files = reading(lookups.named_files)

    # What was learned from it, and what was not yet
    partitions = reading(arrivals.partitions)
    partition = reading(arrivals.partition)
    pending = reading(lines.pending)
    trained_on = reading(lines.trained_on)
    learners = reading(lines.learners)
    learned_by = reading(lines.learned_by)
    partly_learned = reading(lines.partly_learned)
    lineage = reading(lines.ancestors)
    tainted = reading(lines.tainted_versions)
    recall = writing(lines.recall)

    # Versions
    register = writing(version_records.register)
    record_metrics = writing(version_records.record_metrics)
    version = reading(version_records.version)
    plans = reading(version_records.plans)
    refit = reading(version_records.refit)
    learning_curves = reading(version_records.learning_curves)
    versions = reading(comparison.summaries)
    diff = reading(comparison.diff)

    # Who is in production
    champion = reading(production.champion)
    find_champion = reading(production.find_champion)
    sequence = reading(production.sequence)
    promote = writing(production.promote)
    rollback = writing(production.rollback)
    promotions = reading(production.promotions)
    promoted_by = reading(production.promoted_by)
    ask_for_approval = writing(waiting.ask_for_approval)
    approvals = reading(waiting.approvals)
    question = reading(waiting.question)
    answer_approval = writing(waiting.answer_approval)
    undelivered = reading(deliveries.undelivered)
    record_delivery = writing(deliveries.record_delivery)

    # What was measured
    record_drift = writing(checks.record_drift)
    drift_checks = reading(checks.drift_checks)
    record_performance = writing(checks.record_performance)
    performance_checks = reading(checks.performance_checks)
    record_estimates = writing(checks.record_estimates)
    estimates = reading(checks.estimates)
    record_evaluation = writing(verdicts.record_evaluation)
    record_rule = writing(verdicts.record_rule)
    evaluations = reading(verdicts.evaluations)
    evaluation_curves = reading(verdicts.evaluation_curves)
    run_evaluations = reading(verdicts.run_evaluations)
    model_evaluations = reading(verdicts.model_evaluations)
    record_scores = writing(verdicts.record_scores)
    scores = reading(verdicts.scores)
    record_block_losses = writing(promises.record_block_losses)
    block_losses = reading(promises.block_losses)
    promises = reading(promises.promises)

    # Online learning
    claim_events = writing(online.claim)
    add_checkpoint = writing(online.add_checkpoint)
    newest_checkpoint = reading(online.newest_checkpoint)
    checkpoints = reading(online.checkpoints)
    online_losses = reading(online.online_losses)

    # Runs
    start_run = writing(run_records.start_run)
    finish_run = writing(run_records.finish_run)
    extend_lease = writing(run_records.extend_lease)
    open_runs = reading(run_records.open_runs)
    runs_of_flow = reading(run_records.runs_of_flow)
    lose_run = writing(run_records.lose_run)
    cut_short = reading(run_records.cut_short)
    run_with_work_key = reading(run_records.run_with_work_key)
    newest_run = reading(run_records.newest_run)
    runs = reading(run_records.runs)
