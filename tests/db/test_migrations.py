"""What an older registry holds is all there after `evergreen db upgrade`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from filled import MODEL
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from db import schema
from db.engine import open_engine
from db.records import EpochMetric
from db.registry import ModelRegistry, open_registry
from errors import RegistryOutdated

AT = "'2013-01-01 08:00:00.000000'"

# One row or two in every table of schema 0001, as SQL: the code that wrote them is not there any more.
ROWS_OF_0001 = {
    "model": f"(id, name, next_version, created_at) VALUES (1, 'flights', 3, {AT})",
    "run": "(id, model_id, flow_run_id, work_key, trigger, decision, reason, outcome, started_at, finished_at, "
    f"timings) VALUES (1, 1, NULL, 'key', 'by hand', 'retrain', 'worse', 'rejected', {AT}, {AT}, '{{\"train\": 1.5}}')",
    "landed_file": "(id, model_id, run_id, batch, uri, stamp, rules, attempt, sha256, cursor, bytes, rows, taken, "
    "duplicates, rejected, waiting, late, reason, at) VALUES "
    f"(1, 1, 1, 'first', 'a.csv', 'one', 'rules', 0, 'abc', NULL, 99, 10, 5, 1, 3, 1, 0, NULL, {AT}), "
    f"(2, 1, 1, 'second', 'b.csv', 'two', 'rules', 0, NULL, NULL, 9, 0, 0, 0, 0, 0, 0, 'it is binary', {AT})",
    "partition": "(id, model_id, sequence, digest, kind, landed_id, source_uri, uri, sha256, bytes, rows, "
    "holdout_rows, labelled_rows, late, time_from, time_to, arrived_at, run_id) VALUES "
    f"(1, 1, 1, 'p1', 'rows', 1, 'a.csv', 'partition/p1', 'abc', 9, 3, 1, 3, false, {AT}, {AT}, {AT}, 1), "
    f"(2, 1, 2, 'p2', 'labels', 1, 'a.csv', 'partition/p2', 'abc', 9, 2, 0, 2, true, {AT}, {AT}, {AT}, 1)",
    "revocation": f"(partition_id, reason, actor, at) VALUES (2, 'wrong zone', 'me', {AT})",
    "rejected_rows": "(id, model_id, landed_id, source_uri, rows, reason, uri, at) VALUES "
    f"(7, 1, 1, 'a.csv', 3, 'speed is missing', 'quarantine/x', {AT})",
    "artifact": "(digest, kind, uri, sha256, bytes, created_at) VALUES "
    f"('base-shared', 'base', 'base/shared.keras', 'abc', 12, {AT}), ('h1', 'head', 'head/1.keras', 'abc', 12, {AT})",
    "version": "(id, model_id, number, parent_id, run_id, base_digest, head_digest, plan, environment, created_at) "
    f"VALUES (1, 1, 1, NULL, NULL, 'base-shared', 'h1', '{{\"epochs\": 2}}', '{{}}', {AT}), "
    f"(2, 1, 2, 1, 1, 'base-shared', 'h1', '{{}}', '{{}}', {AT})",
    "version_partition": "(version_id, partition_id, role) "
    "VALUES (1, 1, 'trained'), (2, 2, 'trained'), (2, 1, 'replayed')",
    "version_metric": "(version_id, name, value) VALUES (2, 'log_loss', 0.6)",
    "epoch_metric": "(version_id, stage, epoch, name, value) VALUES (2, 'head', 1, 'loss', 0.7)",
    "score": f"(version_id, partition_id, metric, value, rows, run_id, at) VALUES (1, 2, 'log_loss', 0.4, 2, 1, {AT})",
    "drift_check": "(id, run_id, model_id, champion_id, drifted, share, reason, report_uri, at) VALUES "
    f"(1, 1, 1, 1, true, 1.0, 'speed drifted', NULL, {AT})",
    "drift_column": "(check_id, column_name, method, score, threshold, drifted) "
    "VALUES (1, 'speed', 'w', 0.3, 0.1, true)",
    "evaluation": "(id, run_id, challenger_id, champion_id, passed, reason, at) "
    f"VALUES (1, 1, 2, 1, false, 'worse', {AT})",
    "evaluation_metric": "(evaluation_id, dataset, slice, metric, position, rows, champion, challenger, delta, ci_low, "
    "ci_high, verdict) VALUES (1, 'newest', '', 'log_loss', 0, 100, 0.5, 0.6, 0.2, 0.1, 0.3, 'worse')",
    "promotion": "(id, model_id, sequence, version_id, kind, evaluation_id, actor, reason, at) VALUES "
    f"(1, 1, 1, 1, 'bootstrap', NULL, 'gate', 'the first', {AT})",
}
RENAMED = {"revocation": "recall", "rejected_rows": "refused_rows"}


@pytest.fixture
def old(empty_url: str) -> Iterator[Engine]:
    """A database of schema 0001 with rows in every table."""
    engine = open_engine(empty_url)
    schema.migrate(engine, "0001")
    assert set(inspect(engine).get_table_names()) == {*ROWS_OF_0001, schema.STAMP}
    with engine.begin() as connection:
        for table, rows in ROWS_OF_0001.items():
            connection.exec_driver_sql(f"INSERT INTO {table} {rows}")
    yield engine
    engine.dispose()


@pytest.fixture
def upgraded(old: Engine, empty_url: str) -> Iterator[ModelRegistry]:
    """The same, upgraded."""
    assert schema.migrate(old) == "0001"
    with open_registry(empty_url) as registry:
        yield registry


def test_an_older_registry_is_refused_until_it_is_upgraded(old: Engine, empty_url: str) -> None:
    """Nothing is changed behind anybody's back."""
    with pytest.raises(RegistryOutdated, match=r"its schema is 0001, this code writes 0012.*evergreen db upgrade"):
        open_registry(empty_url)


def test_no_row_is_lost(upgraded: ModelRegistry) -> None:
    """Each table holds as many as before, under its new name, and every reference leads somewhere."""
    tables = {
        RENAMED.get(table, table): rows.split("VALUES")[1].count("), (") + 1 for table, rows in ROWS_OF_0001.items()
    }
    with upgraded.engine.connect() as connection:
        found = {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables}
        if connection.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    assert found == tables


def test_the_new_words_hold_the_old_facts(upgraded: ModelRegistry) -> None:
    """What was recalled and refused, the figures that decided, and a reason that nobody wrote down yet."""
    first, second = upgraded.landed_files(MODEL)
    assert (first.ingest, first.refused, second.reason) == ("first", 3, "it is binary")
    [refusal] = upgraded.refusals(MODEL)
    assert (refusal.rows, refusal.reason, refusal.kind) == (3, "speed is missing", "refused")
    assert (first.conflicts, upgraded.superseded(MODEL)) == (0, ())
    assert (upgraded.last_ingest(MODEL).rows, upgraded.last_ingest(MODEL).refused) == (10, 3)
    assert (upgraded.recalled(MODEL), upgraded.tainted(MODEL)) == ({2}, (2,))
    [metric] = upgraded.evaluations(MODEL, 2)[0].metrics
    assert (metric.champion_value, metric.challenger_value, metric.verdict) == (0.5, 0.6, "worse")
    assert (metric.blocks, metric.effective_rows, metric.against) == (None, None, None)
    [evaluation] = upgraded.model_evaluations(MODEL)
    assert (evaluation.rules, evaluation.announced, evaluation.blocked, evaluation.prove_from) == (
        (),
        None,
        False,
        None,
    )
    assert [version.refit_of for version in upgraded.lineage(MODEL, 2)] == [None, None]
    assert (upgraded.block_losses(MODEL), upgraded.promises(MODEL)) == ((), ())
    assert (upgraded.champion(MODEL).number, upgraded.champion(MODEL).reason) == (1, None)
    [check] = upgraded.drift_checks(MODEL)
    assert (check.broken, check.reference_name, check.reference, check.current) == (False, "champion", None, None)
    [column] = check.columns
    assert (column.column, column.broken, column.importance, column.remark) == ("speed", False, None, None)
    assert (upgraded.performance_checks(MODEL), upgraded.estimates(MODEL)) == ((), ())
    assert (upgraded.model_events(MODEL), upgraded.retired(MODEL)) == ((), None)
    assert upgraded.learning_curves(MODEL, 2) == (EpochMetric("head", 1, "loss", 0.7),)


def test_an_upgraded_registry_goes_on(upgraded: ModelRegistry) -> None:
    """New rows get numbers of their own, may be conflicts, corrections and partly learned; counts must still add up."""
    with upgraded.engine.begin() as connection:
        columns = "(model_id, landed_id, source_uri, kind, rows, reason, at)"
        connection.execute(
            text(f"INSERT INTO refused_rows {columns} VALUES (1, 2, 'b.csv', 'conflict', 1, 'why', {AT})")
        )
        connection.execute(text("UPDATE partition SET kind = 'corrections' WHERE id = 2"))
        connection.execute(text("UPDATE landed_file SET conflicts = 1, duplicates = 0 WHERE id = 1"))
        connection.execute(text("INSERT INTO supersession (partition_id, by_id, rows) VALUES (1, 2, 1)"))
        connection.execute(text("UPDATE version SET refit_of_id = 1 WHERE id = 2"))
        connection.execute(text("UPDATE version_partition SET role = 'partly' WHERE role = 'replayed'"))
    upgraded.rename(MODEL, "planes", reason="a better word", actor="me")
    upgraded.rename("planes", MODEL, reason="it was not", actor="me")
    assert [event.was for event in upgraded.model_events(MODEL)] == [MODEL, "planes"]
    assert len(upgraded.refusals(MODEL)) == 2
    assert (upgraded.refit(MODEL, 1), upgraded.version(MODEL, 2).refit_of) == (2, 1)
    assert [p.digest for p in upgraded.learned_by(MODEL, 2, "partly")] == ["p1"]
    for nonsense, check in (
        ("landed_file SET refused = 4", "adds_up"),
        ("partition SET kind = 'guesses'", "kind"),
        ("refused_rows SET kind = 'guesses'", "kind"),
        ("version_partition SET role = 'by heart' WHERE version_id = 1", "role"),
        ("evaluation SET blocked = NULL", "blocked"),
        ("drift_check SET broken = NULL", "broken"),
        ("drift_column SET broken = NULL", "broken"),
        ("model_event SET kind = 'forgotten'", "kind"),
    ):
        with upgraded.engine.begin() as connection, pytest.raises(IntegrityError, match=check):
            connection.execute(text(f"UPDATE {nonsense}"))
