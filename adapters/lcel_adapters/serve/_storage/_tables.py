"""The tables of the server. `_migrations` makes them; a test holds the two together.

Their names in the database begin with ``lcel_``, so that they may stand beside an application's own and LangGraph's.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from lcel_adapters.serve._storage._types import Id, Json, Moment, Number

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

threads = Table(
    "lcel_threads",
    metadata,
    Column("thread_id", Id, primary_key=True),
    Column("created_at", Moment, nullable=False, index=True),
    Column("updated_at", Moment, nullable=False, index=True),
    Column("state_updated_at", Moment, nullable=False),
    Column("metadata", Json, nullable=False),
    # idle, busy, interrupted or error.
    Column("status", String(16), nullable=False, index=True),
    Column("config", Json, nullable=False),
    Column("values", Json),
    # {task_id: [{"id", "value"}]}.
    Column("interrupts", Json, nullable=False),
    Column("error", Json),
    # Made for one stateless run; nobody sees it.
    Column("temporary", Boolean, nullable=False),
)

runs = Table(
    "lcel_runs",
    metadata,
    # The order in which runs were made: a clock would not tell two of one moment apart.
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("run_id", Id, nullable=False),
    Column("thread_id", Id, ForeignKey("lcel_threads.thread_id", ondelete="CASCADE"), nullable=False),
    Column("assistant_id", Id, nullable=False),
    # Which servers can execute it: those that serve this graph.
    Column("graph_id", Text, nullable=False),
    # pending, running, success, error, timeout or interrupted.
    Column("status", String(16), nullable=False),
    Column("metadata", Json, nullable=False),
    Column("kwargs", Json, nullable=False),
    Column("multitask_strategy", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("ended_at", Moment),
    # The worker that executes it.
    Column("owner", String(64)),
    Column("attempt", Integer, nullable=False),
    Column("start_at", Moment),
    # None, "interrupt" or "rollback".
    Column("cancel", String(16)),
    Column("resumable", Boolean, nullable=False),
    Column("spec", Json),
    UniqueConstraint("run_id"),
    Index(None, "thread_id", "status"),
    Index(None, "status", "owner"),
    sqlite_autoincrement=True,
)

run_events = Table(
    "lcel_run_events",
    metadata,
    Column("run_id", Id, ForeignKey("lcel_runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("first_seq", Number, primary_key=True, autoincrement=False),
    Column("last_seq", Number, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("frames", LargeBinary, nullable=False),
)

assistants = Table(
    "lcel_assistants",
    metadata,
    Column("assistant_id", Id, primary_key=True),
    Column("graph_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("config", Json, nullable=False),
    Column("context", Json, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

assistant_versions = Table(
    "lcel_assistant_versions",
    metadata,
    Column("assistant_id", Id, ForeignKey("lcel_assistants.assistant_id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("graph_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("config", Json, nullable=False),
    Column("context", Json, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
)

workers = Table(
    "lcel_workers",
    metadata,
    Column("worker_id", String(64), primary_key=True),
    # By the database's clock, which all servers share.
    Column("seen_at", Moment, nullable=False),
)
