"""The first tables. A migration that was released is never changed: what comes later has one of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

ID = sa.String(36)
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    _threads()
    _runs()
    _run_events()
    _assistants()
    op.create_table(
        "lcel_workers",
        sa.Column("worker_id", sa.String(64), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name="pk_lcel_workers"),
    )


def downgrade() -> None:
    """Drop them, and all that is in them."""
    for table in ("workers", "assistant_versions", "assistants", "run_events", "runs", "threads"):
        op.drop_table(f"lcel_{table}")


def _threads() -> None:
    op.create_table(
        "lcel_threads",
        sa.Column("thread_id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("state_updated_at", MOMENT, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("config", JSON, nullable=False),
        sa.Column("values", JSON),
        sa.Column("interrupts", JSON, nullable=False),
        sa.Column("error", JSON),
        sa.Column("temporary", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", name="pk_lcel_threads"),
    )
    for column in ("created_at", "updated_at", "status"):
        op.create_index(f"ix_lcel_threads_{column}", "lcel_threads", [column])


def _runs() -> None:
    op.create_table(
        "lcel_runs",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("thread_id", ID, nullable=False),
        sa.Column("assistant_id", ID, nullable=False),
        sa.Column("graph_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("kwargs", JSON, nullable=False),
        sa.Column("multitask_strategy", sa.String(16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("owner", sa.String(64)),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("start_at", MOMENT),
        sa.Column("cancel", sa.String(16)),
        sa.Column("resumable", sa.Boolean(), nullable=False),
        sa.Column("spec", JSON),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["lcel_threads.thread_id"], name="fk_lcel_runs_thread_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_lcel_runs"),
        sa.UniqueConstraint("run_id", name="uq_lcel_runs_run_id"),
        sqlite_autoincrement=True,
    )
    for first, second in (("thread_id", "status"), ("status", "owner")):
        op.create_index(f"ix_lcel_runs_{first}_{second}", "lcel_runs", [first, second])


def _run_events() -> None:
    op.create_table(
        "lcel_run_events",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("first_seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("last_seq", NUMBER, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["lcel_runs.run_id"], name="fk_lcel_run_events_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "first_seq", name="pk_lcel_run_events"),
    )


def _assistants() -> None:
    op.create_table(
        "lcel_assistants",
        sa.Column("assistant_id", ID, nullable=False),
        *_assistant_columns(),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("assistant_id", name="pk_lcel_assistants"),
    )
    op.create_index("ix_lcel_assistants_graph_id", "lcel_assistants", ["graph_id"])
    op.create_table(
        "lcel_assistant_versions",
        sa.Column("assistant_id", ID, nullable=False),
        *_assistant_columns(),
        sa.ForeignKeyConstraint(
            ["assistant_id"],
            ["lcel_assistants.assistant_id"],
            name="fk_lcel_assistant_versions_assistant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("assistant_id", "version", name="pk_lcel_assistant_versions"),
    )


def _assistant_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("graph_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("config", JSON, nullable=False),
        sa.Column("context", JSON, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    ]
