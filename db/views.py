"""SQL views: the registry's public face for BI tools, sqlite3 and psql. docs/registry.md explains the columns."""

from __future__ import annotations

from sqlalchemy import Connection, text

VIEWS = {
    "champion": """
        SELECT m.name AS model, v.number AS version, p.sequence, p.kind, p.actor, p.reason, p.at AS since,
               b.uri AS base_uri, h.uri AS head_uri, v.base_digest, v.head_digest, v.created_at,
               b.sha256 AS base_sha256, h.sha256 AS head_sha256, b.bytes AS base_bytes, h.bytes AS head_bytes,
               v.plan
        FROM promotion p
        JOIN model m ON m.id = p.model_id
        JOIN version v ON v.id = p.version_id
        JOIN artifact b ON b.digest = v.base_digest
        JOIN artifact h ON h.digest = v.head_digest
        WHERE p.sequence = (SELECT max(newer.sequence) FROM promotion newer WHERE newer.model_id = p.model_id)
    """,
    "version_history": """
        SELECT m.name AS model, v.number AS version, parent.number AS parent, proof.number AS refit_of, v.created_at,
               v.run_id, v.reason,
               e.passed, e.reason AS verdict, against.number AS against,
               em.metric, em.champion_value, em.challenger_value AS value, em.delta, em.ci_low, em.ci_high,
               EXISTS (SELECT 1 FROM promotion p WHERE p.version_id = v.id
                       AND p.sequence = (SELECT max(newer.sequence) FROM promotion newer
                                         WHERE newer.model_id = p.model_id)) AS is_champion,
               v.base_digest, v.head_digest
        FROM version v
        JOIN model m ON m.id = v.model_id
        LEFT JOIN version parent ON parent.id = v.parent_id
        LEFT JOIN version proof ON proof.id = v.refit_of_id
        LEFT JOIN evaluation e ON e.id = (SELECT max(e2.id) FROM evaluation e2
                                         WHERE e2.challenger_id IN (v.id, v.refit_of_id))
        LEFT JOIN version against ON against.id = e.champion_id
        LEFT JOIN evaluation_metric em ON em.evaluation_id = e.id AND em.position = 0
    """,
    "learning_curves": """
        SELECT m.name AS model, v.number AS version, e.stage, e.epoch, e.name, e.value
        FROM epoch_metric e
        JOIN version v ON v.id = e.version_id
        JOIN model m ON m.id = v.model_id
    """,
    "promotion_history": """
        SELECT m.name AS model, p.sequence, v.number AS version, p.kind, p.actor, p.reason, p.at AS since,
               successor.at AS until, p.evaluation_id
        FROM promotion p
        JOIN model m ON m.id = p.model_id
        JOIN version v ON v.id = p.version_id
        LEFT JOIN promotion successor
               ON successor.model_id = p.model_id AND successor.sequence = p.sequence + 1
    """,
    "promise": """
        WITH promoted AS (
            SELECT p.id AS promotion_id, p.at, p.version_id, previous.version_id AS predecessor_id
            FROM promotion p
            JOIN promotion previous ON previous.model_id = p.model_id AND previous.sequence = p.sequence - 1
            WHERE p.kind = 'promote'
        ), compared AS (
            SELECT promoted.promotion_id, mine.rows, mine.block, mine.loss, theirs.loss AS predecessor_loss
            FROM promoted
            JOIN block_loss mine ON mine.version_id = promoted.version_id AND NOT mine.proving
            JOIN block_loss theirs ON theirs.version_id = promoted.predecessor_id AND theirs.block = mine.block
                 AND theirs.partition_id = mine.partition_id AND NOT theirs.proving
            JOIN partition arrived ON arrived.id = mine.partition_id AND arrived.arrived_at > promoted.at
            WHERE NOT EXISTS (SELECT 1 FROM recall r WHERE r.partition_id = arrived.id)
            UNION ALL
            SELECT promoted.promotion_id, CAST(sum(mine.rows) AS bigint), mine.block,
                   sum(mine.weight * mine.loss) / sum(mine.weight),
                   sum(theirs.weight * theirs.loss) / sum(theirs.weight)
            FROM promoted
            JOIN online_loss mine ON mine.version_id = promoted.version_id
            JOIN online_loss theirs ON theirs.version_id = promoted.predecessor_id AND theirs.block = mine.block
                 AND theirs.checkpoint_id = mine.checkpoint_id
            JOIN online_checkpoint reached ON reached.id = mine.checkpoint_id AND reached.at > promoted.at
            GROUP BY promoted.promotion_id, reached.consumer, mine.block
        ), pair AS (
            SELECT promotion_id, CAST(sum(rows) AS bigint) AS rows, count(DISTINCT block) AS blocks,
                   sum(rows * loss) AS loss, sum(rows * predecessor_loss) AS predecessor_loss
            FROM compared
            WHERE loss IS NOT NULL AND predecessor_loss IS NOT NULL
            GROUP BY promotion_id
        ), found AS (
            SELECT m.name AS model, p.sequence, v.number AS version, predecessor.number AS predecessor, p.at AS since,
                   successor.at AS until, p.evaluation_id, e.announced, e.announced_low AS low,
                   e.announced_high AS high, coalesce(pair.rows, 0) AS rows, coalesce(pair.blocks, 0) AS blocks,
                   pair.loss / nullif(pair.predecessor_loss, 0) - 1 AS came
            FROM promotion p
            JOIN model m ON m.id = p.model_id
            JOIN version v ON v.id = p.version_id
            JOIN promotion previous ON previous.model_id = p.model_id AND previous.sequence = p.sequence - 1
            JOIN version predecessor ON predecessor.id = previous.version_id
            LEFT JOIN promotion successor
                   ON successor.model_id = p.model_id AND successor.sequence = p.sequence + 1
            LEFT JOIN evaluation e ON e.id = p.evaluation_id
            LEFT JOIN pair ON pair.promotion_id = p.id
            WHERE p.kind = 'promote'
        )
        SELECT found.*, came BETWEEN low AND high AS held FROM found
    """,
    "drift_timeline": """
        SELECT m.name AS model, d.at, d.id AS check_id, d.run_id, v.number AS champion, d.drifted AS check_drifted,
               d.broken AS check_broken, d.share, d.reference_name, r.rows AS reference_rows,
               r.time_from AS reference_from, r.time_to AS reference_to, n.rows AS current_rows,
               n.time_from AS current_from, n.time_to AS current_to, c.column_name, c.method, c.score, c.threshold,
               c.drifted, c.broken, c.importance, c.remark, d.reason
        FROM drift_check d
        JOIN model m ON m.id = d.model_id
        JOIN version v ON v.id = d.champion_id
        LEFT JOIN drift_window r ON r.check_id = d.id AND r.side = 'reference'
        LEFT JOIN drift_window n ON n.check_id = d.id AND n.side = 'current'
        LEFT JOIN drift_column c ON c.check_id = d.id
    """,
    "performance_timeline": """
        SELECT m.name AS model, c.at, c.run_id, v.number AS champion, c.state, c.since, c.blocks, c.loss, c.loss_limit,
               c.reason
        FROM performance_check c
        JOIN model m ON m.id = c.model_id
        JOIN version v ON v.id = c.champion_id
    """,
    "estimate_error": """
        SELECT m.name AS model, v.number AS version, p.digest AS partition, p.time_from, e.metric, e.rows,
               e.value AS estimated, e.low, e.high, s.value AS came, e.value - s.value AS error,
               s.value BETWEEN e.low AND e.high AS held
        FROM estimate e
        JOIN version v ON v.id = e.version_id
        JOIN model m ON m.id = v.model_id
        JOIN partition p ON p.id = e.partition_id
        LEFT JOIN score s ON s.version_id = e.version_id AND s.partition_id = e.partition_id AND s.metric = e.metric
    """,
    "run_history": """
        SELECT m.name AS model, r.id AS run, r.trigger, r.decision, r.outcome, r.reason, r.started_at, r.finished_at,
               v.number AS version, r.work_key, r.flow_run_id, r.timings
        FROM run r
        JOIN model m ON m.id = r.model_id
        LEFT JOIN version v ON v.run_id = r.id
    """,
    "lineage": """
        WITH RECURSIVE line (version_id, ancestor_id, distance) AS (
            SELECT v.id, v.id, 0 FROM version v
            UNION ALL
            SELECT l.version_id, v.parent_id, l.distance + 1
            FROM line l JOIN version v ON v.id = l.ancestor_id WHERE v.parent_id IS NOT NULL
        )
        SELECT m.name AS model, v.number AS version, a.number AS learned_by, l.distance, vp.role,
               p.digest AS partition, p.source_uri, p.rows, p.time_from, p.time_to,
               r.at AS recalled_at, r.reason AS recalled_because,
               (SELECT max(newer.arrived_at) FROM supersession s JOIN partition newer ON newer.id = s.by_id
                WHERE s.partition_id = p.id AND NOT EXISTS
                      (SELECT 1 FROM recall undone WHERE undone.partition_id = newer.id)) AS corrected_at
        FROM line l
        JOIN version v ON v.id = l.version_id
        JOIN version a ON a.id = l.ancestor_id
        JOIN model m ON m.id = v.model_id
        JOIN version_partition vp ON vp.version_id = a.id
        JOIN partition p ON p.id = vp.partition_id
        LEFT JOIN recall r ON r.partition_id = p.id
    """,
}


def drop_views(connection: Connection) -> None:
    """Drop the views, so that the tables under them can be changed."""
    for name in VIEWS:
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))


def create_views(connection: Connection) -> None:
    """Create the views as this code knows them: they hold no data, so no migration need remember older ones."""
    for name, query in VIEWS.items():
        connection.execute(text(f"CREATE VIEW {name} AS {query}"))
