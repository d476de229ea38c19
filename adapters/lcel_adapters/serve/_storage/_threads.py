"""Threads as rows: each function is part of a transaction, and sees what its filter lets it see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, insert, select, text, update

from lcel_adapters.serve._storage._queries import (
    Page,
    Row,
    Seen,
    containing,
    counted,
    first,
    insert_new,
    page_of,
    visible,
)
from lcel_adapters.serve._storage._tables import runs, threads

ACTIVE = ("pending", "running")
"""What the status of a run is that is not over."""
_STATES = {
    "sqlite": ("checkpoints", "writes"),
    "postgresql": ("checkpoints", "checkpoint_blobs", "checkpoint_writes"),
}
"""The tables of LangGraph's savers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadQuery:
    """Which threads are looked for; None leaves a condition out.

    Attributes:
        metadata: What their metadata holds, among other things.
        values: What their state holds, among other things.
        status: Theirs.
        ids: One of these.
    """

    metadata: Mapping[str, Any] | None = None
    values: Mapping[str, Any] | None = None
    status: str | None = None
    ids: Sequence[str] | None = None


def create_thread(connection: Connection, thread_id: str, metadata: Mapping[str, Any]) -> Row | None:
    """Make a thread without a state; None if there is one with that id."""
    now = datetime.now(UTC)
    row = {
        "thread_id": thread_id,
        "created_at": now,
        "updated_at": now,
        "state_updated_at": now,
        "metadata": dict(metadata),
        "status": "idle",
        "config": {},
        "values": None,
        "interrupts": {},
        "error": None,
        "temporary": False,
    }
    return row if insert_new(connection, threads, row) else None


def get_thread(connection: Connection, thread_id: str, seen: Seen | None = None) -> Row | None:
    """A thread; None if it is not there to be seen."""
    return first(connection, select(threads).where(*_one(thread_id, seen)))


def patch_thread(
    connection: Connection, thread_id: str, metadata: Mapping[str, Any], seen: Seen | None = None
) -> Row | None:
    """Add to a thread's metadata, key by key at the top; the thread as it is then, None if it is not there."""
    found = first(connection, select(threads).where(*_one(thread_id, seen)).with_for_update())
    if found is None:
        return None
    changed = {"metadata": {**found["metadata"], **metadata}, "updated_at": datetime.now(UTC)}
    connection.execute(update(threads).where(threads.c.thread_id == thread_id).values(changed))
    return found | changed


def set_thread_state(connection: Connection, thread_id: str, state: Mapping[str, Any]) -> None:
    """Keep what a thread's state is since it was changed by hand.

    Args:
        connection: Of a write transaction.
        thread_id: The thread.
        state: ``status``, ``values`` and ``interrupts``.
    """
    now = datetime.now(UTC)
    changed = {**state, "error": None, "updated_at": now, "state_updated_at": now}
    connection.execute(update(threads).where(threads.c.thread_id == thread_id).values(changed))


def delete_thread(connection: Connection, thread_id: str, seen: Seen | None = None) -> bool:
    """Delete a thread with its runs, their frames and all states; whether it was there to be seen.

    The rows go first: then no run of it has a lease to save by, and what one is about to save is waited for. The states
    go in the same transaction: whoever dies in the middle leaves the whole thread, and not states for another thread
    that is made under this id.
    """
    # What they put aside is kept under their own ids.
    ids = [thread_id, *active_runs(connection, thread_id)]
    if connection.execute(delete(threads).where(*_one(thread_id, seen))).rowcount != 1:
        return False
    for table in _STATES[connection.dialect.name]:
        statement = text(f"delete from {table} where thread_id in :ids").bindparams(bindparam("ids", expanding=True))
        connection.execute(statement, {"ids": ids})
    return True


def copy_thread(connection: Connection, source: Row, thread_id: str) -> Row:
    """Make a thread that is like another but for its id and times; what runs there does not run here."""
    now = datetime.now(UTC)
    status = "idle" if source["status"] == "busy" else source["status"]
    own = {"thread_id": thread_id, "created_at": now, "updated_at": now, "state_updated_at": now, "status": status}
    row = {**source, **own, "temporary": False}
    connection.execute(insert(threads).values(row))
    return row


def search_threads(
    connection: Connection, query: ThreadQuery, page: Page, seen: Seen | None = None
) -> tuple[list[Row], int]:
    """One page of threads, and how many there are in all; those of stateless runs are left out."""
    return page_of(connection, _found(query, seen), page, threads.c.thread_id)


def count_threads(connection: Connection, query: ThreadQuery, seen: Seen | None = None) -> int:
    """How many threads there are."""
    return counted(connection, _found(query, seen).with_only_columns(threads.c.thread_id))


def active_runs(connection: Connection, thread_id: str) -> list[str]:
    """The ids of the runs that wait or execute on a thread."""
    query = select(runs.c.run_id).where(runs.c.thread_id == thread_id, runs.c.status.in_(ACTIVE))
    return list(connection.execute(query).scalars())


def _one(thread_id: str, seen: Seen | None) -> list[ColumnElement[bool]]:
    return [threads.c.thread_id == thread_id, *visible(seen, threads.c.metadata)]


def _found(query: ThreadQuery, seen: Seen | None) -> Select[Any]:
    found = select(threads).where(
        threads.c.temporary.is_(False),
        *visible(seen, threads.c.metadata),
        *containing(threads.c.metadata, query.metadata),
        *containing(threads.c["values"], query.values),
    )
    if query.status is not None:
        found = found.where(threads.c.status == query.status)
    return found if query.ids is None else found.where(threads.c.thread_id.in_(query.ids))
