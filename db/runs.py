"""Runs: what was decided each time a flow ran, and why."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from db.lookups import model_id, now
from db.records import WATCH, RunEnding, RunRecord
from db.statements import Statement, add_row, read, select_as
from db.tables import Model, Run
from errors import RegistryError


def start_run(session: Session, model: str, *, trigger: str, flow_run_id: str | None = None) -> RunRecord:
    """Open a run."""
    started = {"trigger": trigger, "flow_run_id": flow_run_id, "started_at": now()}
    number = add_row(session, Run, {"model_id": model_id(session, model), "timings": {}, **started})
    return read(session, _select().where(Run.id == number), RunRecord)[0]


def finish_run(
    session: Session,
    run_id: int,
    ending: RunEnding,
    *,
    work_key: str | None = None,
    timings: dict[str, float] | None = None,
) -> None:
    """Close an open run. A run ends once: what it ended as is not overwritten.

    Args:
        session: the transaction.
        run_id: the run.
        ending: how it ended.
        work_key: the work that need not be done again.
        timings: seconds by step.

    Raises:
        RegistryError: there is no such run, or it has ended.
    """
    closed = session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.finished_at.is_(None))
        .values(**vars(ending), work_key=work_key, timings=timings or {}, finished_at=now())
        .returning(Run.id)
    )
    if closed is None:
        raise RegistryError(f"run {run_id}", "no open run has this number", "start a run, and finish it once")


def run_with_work_key(session: Session, model: str, work_key: str, *, watched: bool = False) -> RunRecord | None:
    """The newest finished run that did this very work; one that skipped it, because it was done, did not.

    Args:
        session: the transaction.
        model: name of the model.
        work_key: digest of the work.
        watched: whether a watch counts too, which only looks at what a retrain would do.
    """
    not_done = ("skip",) if watched else ("skip", WATCH)
    return _newest(session, model, Run.work_key == work_key, Run.decision.not_in(not_done))


def newest_run(session: Session, model: str, decisions: Sequence[str]) -> RunRecord | None:
    """The newest finished run that decided one of these; None where there was none."""
    return _newest(session, model, Run.decision.in_(decisions))


def _newest(session: Session, model: str, *conditions: ColumnElement[bool]) -> RunRecord | None:
    finished = Model.name == model, Run.finished_at.is_not(None)
    statement = _select().where(*finished, *conditions).order_by(Run.id.desc()).limit(1)
    return next(iter(read(session, statement, RunRecord)), None)


def runs(session: Session, model: str, limit: int = 20) -> tuple[RunRecord, ...]:
    """A model's runs, newest first."""
    statement = _select().where(Run.model_id == model_id(session, model)).order_by(Run.id.desc()).limit(limit)
    return read(session, statement, RunRecord)


def _select() -> Statement:
    return select_as(RunRecord, Run, model=Model.name).join(Model, Model.id == Run.model_id)
