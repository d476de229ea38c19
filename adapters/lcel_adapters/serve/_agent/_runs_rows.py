"""Runs as rows: found, listed, deleted, and shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import HTTPException
from sqlalchemy import ColumnElement, Select, delete, select

from lcel_adapters.serve._auth import Access, Filter
from lcel_adapters.serve._runs import RunBody
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._storage import ACTIVE, runs, threads

Row = dict[str, Any]
_SHOWN = (
    "run_id",
    "thread_id",
    "assistant_id",
    "metadata",
    "status",
    "multitask_strategy",
    "created_at",
    "updated_at",
)


def shown_run(run: Row) -> Row:
    """A run as clients see it (AGENT-SERVER.md, (ii) Run)."""
    return {**{key: run[key] for key in _SHOWN}, "kwargs": _kwargs(run), "langsmith_session_name": None}


def _kwargs(run: Row) -> Row:
    """What a run was asked to do, in the words of the real server's engine."""
    body = RunBody.model_validate(run["kwargs"])
    return {
        "input": body.input,
        "command": run["kwargs"].get("command"),
        "config": _config(run, body),
        "context": body.context or (body.config and body.config.configurable) or {},
        "stream_mode": body.stream_mode,
        "interrupt_before": body.interrupt_before,
        "interrupt_after": body.interrupt_after,
        "webhook": body.webhook,
        "feedback_keys": body.feedback_keys,
        "temporary": run["spec"]["temporary"],
        "subgraphs": body.stream_subgraphs,
        "resumable": body.stream_resumable,
        "checkpoint_during": body.durability != "exit",
        "durability": body.durability or "async",
    }


def _config(run: Row, body: RunBody) -> Row:
    named = {"run_id": run["run_id"], "thread_id": run["thread_id"], "graph_id": run["spec"]["assistant"]["graph_id"]}
    asked = body.config.model_dump(exclude_none=True) if body.config else {}
    attempt = {"run_attempt": run["attempt"]} if run["attempt"] else {}
    return {
        **asked,
        "configurable": {**(asked.get("configurable") or {}), **named, "assistant_id": run["assistant_id"]},
        "metadata": {**run["metadata"], **attempt},
    }


async def find_run(serving: Serving, access: Access, thread_id: str, run_id: str, action: str = "read") -> Row | None:
    """A run of a thread that the one who asks may see; None otherwise."""
    allowed = await access.authorize("threads", action, {"thread_id": thread_id, "run_id": run_id})
    query = _of_thread(thread_id, allowed).where(runs.c.run_id == run_id)
    found = await serving.database.read(lambda connection: connection.execute(query).mappings().first())
    return None if found is None else dict(found)


async def list_runs(serving: Serving, access: Access, thread_id: str, status: str | None, page: slice) -> Sequence[Row]:
    """Runs of a thread, the newest first.

    Raises:
        HTTPException: There is no such thread.
    """
    allowed = await access.authorize("threads", "read", {"thread_id": thread_id})
    exists = select(threads.c.thread_id).where(threads.c.thread_id == thread_id, *_conditions(allowed))
    query = _of_thread(thread_id, allowed).order_by(runs.c.number.desc())
    if status is not None:
        query = query.where(runs.c.status == status)
    query = query.offset(page.start).limit(page.stop - page.start)
    there, rows = await serving.database.read(lambda c: (c.execute(exists).first(), c.execute(query).mappings().all()))
    if there is None:
        raise HTTPException(404, f"Thread with ID {thread_id} not found")
    return [dict(row) for row in rows]


async def runs_to_cancel(
    serving: Serving, access: Access, thread_id: UUID | None, run_ids: Sequence[UUID] | None, status: str | None
) -> list[str]:
    """The runs that a request to cancel several means; of the caller's own threads alone.

    Raises:
        HTTPException: It names neither runs of a thread nor a status.
    """
    if (thread_id is None or not run_ids) == (status is None):
        raise HTTPException(422, "Say either thread_id with run_ids, or status.")
    allowed = await access.authorize("threads", "update", {"thread_id": thread_id and str(thread_id)})
    query = select(runs.c.run_id).join(threads).where(runs.c.status.in_(ACTIVE), *_conditions(allowed))
    if thread_id is not None and run_ids:
        query = query.where(runs.c.thread_id == str(thread_id), runs.c.run_id.in_([str(one) for one in run_ids]))
    elif status != "all":
        query = query.where(runs.c.status == status)
    return list(await serving.database.read(lambda connection: connection.execute(query).scalars().all()))


async def remove_run(serving: Serving, run_id: str) -> None:
    """Delete a run and its frames; its thread keeps what it did."""
    statement = delete(runs).where(runs.c.run_id == run_id)
    await serving.database.write(lambda connection: connection.execute(statement))


def _of_thread(thread_id: str, allowed: Filter | None) -> Select[Any]:
    return select(runs).join(threads).where(runs.c.thread_id == thread_id, *_conditions(allowed))


def _conditions(allowed: Filter | None) -> list[ColumnElement[bool]]:
    return [] if allowed is None else [allowed.where(threads.c.metadata)]
