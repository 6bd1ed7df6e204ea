"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Bring the schema to 0001."""
    op.create_table(
        "artifact",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_artifact")),
    )
    op.create_table(
        "model",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("name", name=op.f("uq_model_name")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", sa.Text(), nullable=True),
        sa.Column("work_key", sa.String(length=64), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("timings", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_run_model_id_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_model_id_work_key"), ["model_id", "work_key"], unique=False)

    op.create_table(
        "landed_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("stamp", sa.String(length=64), nullable=False),
        sa.Column("rules", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rows = taken + duplicates + rejected + waiting", name=op.f("ck_landed_file_adds_up")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_landed_file_model_id_model")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_landed_file_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_landed_file")),
        sa.UniqueConstraint(
            "model_id", "stamp", "rules", "attempt", name=op.f("uq_landed_file_model_id_stamp_rules_attempt")
        ),
    )
    with op.batch_alter_table("landed_file", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_landed_file_model_id_sha256"), ["model_id", "sha256"], unique=False)

    op.create_table(
        "version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("base_digest", sa.String(length=64), nullable=False),
        sa.Column("head_digest", sa.String(length=64), nullable=False),
        sa.Column("plan", DOCUMENT, nullable=False),
        sa.Column("environment", DOCUMENT, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["base_digest"], ["artifact.digest"], name=op.f("fk_version_base_digest_artifact")),
        sa.ForeignKeyConstraint(["head_digest"], ["artifact.digest"], name=op.f("fk_version_head_digest_artifact")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_version_model_id_model")),
        sa.ForeignKeyConstraint(["parent_id"], ["version.id"], name=op.f("fk_version_parent_id_version")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_version_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_version_model_id_number")),
    )
    with op.batch_alter_table("version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_version_base_digest"), ["base_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_version_head_digest"), ["head_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_version_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "drift_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("champion_id", sa.Integer(), nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.Column("share", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("report_uri", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["champion_id"], ["version.id"], name=op.f("fk_drift_check_champion_id_version")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_drift_check_model_id_model")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_drift_check_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_check")),
    )
    with op.batch_alter_table("drift_check", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drift_check_model_id"), ["model_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_drift_check_run_id"), ["run_id"], unique=False)

    op.create_table(
        "epoch_metric",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_epoch_metric_version_id_version")),
        sa.PrimaryKeyConstraint("version_id", "stage", "epoch", "name", name=op.f("pk_epoch_metric")),
    )
    op.create_table(
        "evaluation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("challenger_id", sa.Integer(), nullable=False),
        sa.Column("champion_id", sa.Integer(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["challenger_id"], ["version.id"], name=op.f("fk_evaluation_challenger_id_version")),
        sa.ForeignKeyConstraint(["champion_id"], ["version.id"], name=op.f("fk_evaluation_champion_id_version")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_evaluation_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation")),
    )
    with op.batch_alter_table("evaluation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_evaluation_challenger_id"), ["challenger_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_evaluation_run_id"), ["run_id"], unique=False)

    op.create_table(
        "partition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("landed_id", sa.Integer(), nullable=True),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("holdout_rows", sa.BigInteger(), nullable=False),
        sa.Column("labelled_rows", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("time_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('rows', 'labels')", name=op.f("ck_partition_kind")),
        sa.ForeignKeyConstraint(["landed_id"], ["landed_file.id"], name=op.f("fk_partition_landed_id_landed_file")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_partition_model_id_model")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_partition_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partition")),
        sa.UniqueConstraint("model_id", "digest", name=op.f("uq_partition_model_id_digest")),
        sa.UniqueConstraint("model_id", "sequence", name=op.f("uq_partition_model_id_sequence")),
    )
    with op.batch_alter_table("partition", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_partition_landed_id"), ["landed_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_partition_model_id_time_from"), ["model_id", "time_from"], unique=False)

    op.create_table(
        "rejected_rows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("landed_id", sa.Integer(), nullable=False),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["landed_id"], ["landed_file.id"], name=op.f("fk_rejected_rows_landed_id_landed_file")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_rejected_rows_model_id_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_rows")),
    )
    with op.batch_alter_table("rejected_rows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rejected_rows_landed_id"), ["landed_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_rejected_rows_model_id"), ["model_id"], unique=False)

    op.create_table(
        "version_metric",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_version_metric_version_id_version")),
        sa.PrimaryKeyConstraint("version_id", "name", name=op.f("pk_version_metric")),
    )
    with op.batch_alter_table("version_metric", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_version_metric_name_value"), ["name", "value"], unique=False)

    op.create_table(
        "drift_column",
        sa.Column("check_id", sa.Integer(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["drift_check.id"], name=op.f("fk_drift_column_check_id_drift_check")),
        sa.PrimaryKeyConstraint("check_id", "column_name", "method", name=op.f("pk_drift_column")),
    )
    op.create_table(
        "evaluation_metric",
        sa.Column("evaluation_id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("champion", sa.Float(), nullable=True),
        sa.Column("challenger", sa.Float(), nullable=True),
        sa.Column("delta", sa.Float(), nullable=True),
        sa.Column("ci_low", sa.Float(), nullable=True),
        sa.Column("ci_high", sa.Float(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name=op.f("fk_evaluation_metric_evaluation_id_evaluation")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "dataset", "slice", "metric", name=op.f("pk_evaluation_metric")),
    )
    op.create_table(
        "promotion",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("evaluation_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('bootstrap', 'promote', 'rollback')", name=op.f("ck_promotion_kind")),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_promotion_sequence")),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name=op.f("fk_promotion_evaluation_id_evaluation")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_promotion_model_id_model")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_promotion_version_id_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
        sa.UniqueConstraint("model_id", "sequence", name=op.f("uq_promotion_model_id_sequence")),
    )
    with op.batch_alter_table("promotion", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_promotion_version_id"), ["version_id"], unique=False)

    op.create_table(
        "revocation",
        sa.Column("partition_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["partition_id"], ["partition.id"], name=op.f("fk_revocation_partition_id_partition")),
        sa.PrimaryKeyConstraint("partition_id", name=op.f("pk_revocation")),
    )
    op.create_table(
        "score",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("partition_id", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["partition_id"], ["partition.id"], name=op.f("fk_score_partition_id_partition")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_score_run_id_run")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_score_version_id_version")),
        sa.PrimaryKeyConstraint("version_id", "partition_id", "metric", name=op.f("pk_score")),
    )
    op.create_table(
        "version_partition",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("partition_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('trained', 'replayed')", name=op.f("ck_version_partition_role")),
        sa.ForeignKeyConstraint(
            ["partition_id"], ["partition.id"], name=op.f("fk_version_partition_partition_id_partition")
        ),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_version_partition_version_id_version")),
        sa.PrimaryKeyConstraint("version_id", "partition_id", "role", name=op.f("pk_version_partition")),
    )
    with op.batch_alter_table("version_partition", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_version_partition_partition_id"), ["partition_id"], unique=False)
