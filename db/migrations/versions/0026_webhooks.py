"""Webhooks, what each of them was told, and which tools' figures changed since they were told last"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
release = "0.5.0"
oldest = "0.1.0"
touches = ()

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("sealed_url", sa.Text(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("earlier_secret", sa.Text(), nullable=True),
        sa.Column("earlier_until", _AT, nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("failing_since", _AT, nullable=True),
        sa.Column("disabled_at", _AT, nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook_messages",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("webhook_id", _ID, sa.ForeignKey("webhooks.id"), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("job_id", _ID, nullable=True),
        sa.Column("tried_at", _AT, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.UniqueConstraint("webhook_id", "cause"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_messages_webhook_id", "webhook_messages", ["webhook_id", "id"])
    op.create_index("ix_webhook_messages_created_at", "webhook_messages", ["created_at"])
    op.create_table(
        "figure_changes",
        sa.Column("tool_id", _ID, sa.ForeignKey("tools.id"), primary_key=True, autoincrement=False),
        sa.Column("changed_at", _AT, nullable=True),
        sa.Column("told_at", _AT, nullable=True),
    )
    marked = sa.text("changed_at is not null")
    op.create_index(
        "ix_figure_changes_marked", "figure_changes", ["changed_at"], sqlite_where=marked, postgresql_where=marked
    )
