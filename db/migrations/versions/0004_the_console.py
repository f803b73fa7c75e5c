"""What the console shows: accounts, audit, pauses, heartbeats, alerts"""

import sqlalchemy as sa
from alembic import op

from db.migrations import steps

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
touches = ("attempts", "consents", "deliveries", "digests", "jobs")


def upgrade() -> None:
    if not steps.has_column("jobs", "replaces"):
        _tables_and_columns()
    _indexes()
    _fill_last_failures()


def _tables_and_columns() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_opened", "alerts", ["opened_at"], unique=False)
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["key"],
        unique=True,
        sqlite_where=sa.text("closed_at is null"),
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=True),
        sa.Column("chosen_by", sa.JSON(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("affected", sa.Text(), nullable=True),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_about", "audit", ["about", "id"], unique=False)
    op.create_index("ix_audit_action", "audit", ["action", "id"], unique=False)
    op.create_index("ix_audit_actor", "audit", ["actor", "id"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_heartbeats")),
    )
    op.create_index("ix_heartbeats_at", "heartbeats", ["at"], unique=False)
    op.create_table(
        "login_failures",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shut_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_failures")),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("address_key", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("alerts", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invitation", sa.String(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("totp_secret", sa.Text(), nullable=True),
        sa.Column("totp_step", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role in ('viewer', 'editor', 'operator', 'admin')", name=op.f("ck_operators_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("address_key", name=op.f("uq_operators_address_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "queue_pauses",
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_pauses")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("operator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_recovery_codes_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_recovery_codes_operator_id", "recovery_codes", ["operator_id"], unique=False)
    op.add_column("digests", sa.Column("outcomes", sa.JSON(), nullable=True))
    op.add_column("jobs", sa.Column("error", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("said", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("fingerprint", sa.String(), nullable=True))
    op.add_column("jobs", sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("replaces", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
    _keep_audit()


def _indexes() -> None:
    steps.index("ix_attempts_failed", "attempts", ["ended_at"], where="outcome in ('failed', 'lost')")
    steps.index("ix_consents_at", "consents", ["at", "what"])
    steps.index(
        "ix_deliveries_exceptions",
        "deliveries",
        ["letter", "about", "state", "code", "id"],
        where="state in ('deferred', 'failed', 'skipped', 'unknown', 'cancelled')",
    )
    steps.index("ix_jobs_dead", "jobs", ["kind", "error", "fingerprint", "failed_at", "id"], where="state = 'dead'")
    steps.index("ix_jobs_finished", "jobs", ["finished_at"])


def _fill_last_failures() -> None:
    """What jobs tell of their last failed attempt, for those that failed before this release."""
    last = (
        "(SELECT {column} FROM attempts AS a WHERE a.job_id = jobs.id AND a.outcome IN ('failed', 'lost')"
        " ORDER BY a.id DESC LIMIT 1)"
    )
    pairs = {"error": "error", "said": "message", "fingerprint": "fingerprint", "failed_at": "ended_at"}
    values = ", ".join(f"{name} = {last.format(column=column)}" for name, column in pairs.items())
    op.execute(f"UPDATE jobs SET {values} WHERE state IN ('dead', 'pending', 'discarded') AND attempt > 0")


def _keep_audit() -> None:
    """The database itself refuses to change or delete what stands in the audit."""
    if op.get_bind().dialect.name == "sqlite":
        for order in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_keeps_{order.lower()} BEFORE {order} ON audit"
                " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept()"
    )
