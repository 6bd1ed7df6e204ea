"""Runs: what was decided each time a flow ran, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from clock import now
from db.lookups import model_id
from db.records import LOST, WATCH, RunEnding, RunRecord
from db.statements import Statement, add_row, read, select_as
from db.tables import Model, Run
from errors import RegistryError

LEASE = timedelta(seconds=60)  # a run that said nothing for so long is taken for killed


def start_run(session: Session, model: str, *, trigger: str, flow_run_id: str | None = None) -> RunRecord:
    """Open a run; whoever opened it extends its lease while it is alive."""
    at = now()
    started = {"trigger": trigger, "flow_run_id": flow_run_id, "started_at": at, "alive_until": at + LEASE}
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

    Only a run that was taken for killed, and was not, may still say how it ended: it knows, the others guessed.

    Args:
        session: the transaction.
        run_id: the run.
        ending: how it ended.
        work_key: the work that need not be done again; None keeps what was noted when the run asked for approval.
        timings: seconds by step.

    Raises:
        RegistryError: there is no such run, or it has ended.
    """
    closed = session.scalar(
        update(Run)
        .where(Run.id == run_id, or_(Run.finished_at.is_(None), Run.outcome == LOST))
        .values(
            **vars(ending), work_key=func.coalesce(work_key, Run.work_key), timings=timings or {}, finished_at=now()
        )
        .returning(Run.id)
    )
    if closed is None:
        raise RegistryError(f"run {run_id}", "no open run has this number", "start a run, and finish it once")


def extend_lease(session: Session, run_id: int) -> None:
    """Say that an open run is alive."""
    still_open = Run.id == run_id, Run.finished_at.is_(None)
    session.execute(update(Run).where(*still_open).values(alive_until=now() + LEASE))


def open_runs(session: Session) -> tuple[RunRecord, ...]:
    """The runs of all models that have not ended, oldest first."""
    return read(session, _select().where(Run.finished_at.is_(None)).order_by(Run.id), RunRecord)


def runs_of_flow(session: Session, flow_run_id: str) -> tuple[RunRecord, ...]:
    """The newest run that was recorded for a flow run of Prefect, which is begun again if it was cut short; or none."""
    mine = _select().where(Run.flow_run_id == flow_run_id).order_by(Run.id.desc()).limit(1)
    return read(session, mine, RunRecord)


def lose_run(session: Session, run: RunRecord, reason: str) -> bool:
    """End an open run as lost; False if it ended, or showed life, since it was read."""
    unchanged = Run.id == run.id, Run.finished_at.is_(None), Run.alive_until.is_not_distinct_from(run.alive_until)
    ending = vars(RunEnding(LOST, "none", reason))
    lost = update(Run).where(*unchanged).values(**ending, finished_at=now()).returning(Run.id)
    return session.scalar(lost) is not None


def cut_short(session: Session, outcomes: Sequence[str]) -> tuple[RunRecord, ...]:
    """Each model's newest run, where it ended as one of these."""
    newest = select(func.max(Run.id)).group_by(Run.model_id)
    return read(session, _select().where(Run.id.in_(newest), Run.outcome.in_(outcomes)).order_by(Run.id), RunRecord)


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
