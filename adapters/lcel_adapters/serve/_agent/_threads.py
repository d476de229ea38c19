"""Routes of threads (AGENT-SERVER.md, (ii) Endpoints)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, HTTPException, Response
from sqlalchemy import Connection

from lcel_adapters.serve._agent._extract import extracted, paths_of
from lcel_adapters.serve._agent._models import (
    ErrorBody,
    Pruned,
    Thread,
    ThreadCount,
    ThreadCreate,
    ThreadPatch,
    ThreadPrune,
    ThreadSearch,
)
from lcel_adapters.serve._agent._routing import AccessOf, JsonRoute, ServingOf, answer, paginated
from lcel_adapters.serve._agent._updates import apply_supersteps
from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._storage import (
    Page,
    Row,
    ThreadQuery,
    active_runs,
    copy_thread,
    count_threads,
    create_thread,
    delete_thread,
    get_thread,
    patch_thread,
    search_threads,
)

MISSING: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody}}
PATIENCE = 30.0
"""Seconds that the runs of a thread that is deleted are given to end, wherever they execute."""
_SHOWN = ("thread_id", "created_at", "updated_at", "state_updated_at", "metadata", "status", "config", "values")
router = APIRouter(tags=["Threads"], route_class=JsonRoute, responses={422: {"model": ErrorBody}})


@router.post("/threads", response_model=Thread, responses={409: {"model": ErrorBody}})
async def create(body: ThreadCreate, serving: ServingOf, access: AccessOf) -> Response:
    """Make a thread."""
    thread_id = str(body.thread_id or uuid4())
    value: Row = {"thread_id": thread_id, "metadata": dict(body.metadata or {}), "if_exists": body.if_exists}
    seen = await access.authorize("threads", "create", value)
    found: Callable[[Connection], Row | None] = lambda c: get_thread(c, thread_id, seen)  # noqa: E731
    made = await serving.database.write(lambda c: create_thread(c, thread_id, value["metadata"]))
    row = made
    if made is None and body.if_exists == "do_nothing":
        row = await serving.database.read(found)
    if row is None:
        raise HTTPException(409, f"Thread with ID {thread_id} already exists")
    if body.supersteps:
        if made is None:
            # The thread was there: to write its state is to change it, not to make it.
            row = await find_thread(serving, access, UUID(thread_id), "update")
        try:
            await apply_supersteps(serving, access, row, body.supersteps)
        except BaseException:
            if made is not None:
                await _forget(serving, thread_id)
            raise
        row = await serving.database.read(found) or row
    return answer(shown_thread(row))


@router.post("/threads/search", response_model=list[Thread], response_model_exclude_unset=True)
async def search(body: ThreadSearch, serving: ServingOf, access: AccessOf) -> Response:
    """Look for threads; the newest changed first, unless they are to be sorted otherwise."""
    paths = paths_of(body.extract or {})
    value = body.model_dump(include={"metadata", "values", "status", "limit", "offset", "ids"})
    query, seen = await _query(access, value)
    page = Page(
        limit=body.limit,
        offset=body.offset,
        sort_by=body.sort_by or "updated_at",
        sort_order=body.sort_order or "desc",
    )
    found, total = await serving.database.read(lambda c: search_threads(c, query, page, seen))
    rows = [_selected(row, body.select) | extracted(row, paths) for row in found]
    return paginated(rows, total, body.offset)


@router.post("/threads/count", response_model=int)
async def count(body: ThreadCount, serving: ServingOf, access: AccessOf) -> Response:
    """Count threads."""
    query, seen = await _query(access, body.model_dump())
    return answer(await serving.database.read(lambda c: count_threads(c, query, seen)))


@router.post("/threads/prune", response_model=Pruned)
async def prune(body: ThreadPrune, serving: ServingOf, access: AccessOf) -> Response:
    """Delete threads, or all their checkpoints but the last; those that are not there are passed over."""
    there = []
    for thread_id in dict.fromkeys(map(str, body.thread_ids)):
        seen = await access.authorize("threads", "delete", {"thread_id": thread_id})
        if await serving.database.read(lambda c, t=thread_id, s=seen: get_thread(c, t, s)) is not None:  # type: ignore[misc]
            there.append(thread_id)
    if body.strategy == "delete":
        for thread_id in there:
            await _forget(serving, thread_id)
    else:
        await _keep_latest(serving, there)
    return answer({"pruned_count": len(there)})


@router.get("/threads/{thread_id}", response_model=Thread, responses=MISSING)
async def get(thread_id: UUID, serving: ServingOf, access: AccessOf) -> Response:
    """A thread."""
    return answer(shown_thread(await find_thread(serving, access, thread_id)))


@router.patch("/threads/{thread_id}", response_model=Thread, responses=MISSING)
async def patch(thread_id: UUID, body: ThreadPatch, serving: ServingOf, access: AccessOf) -> Response:
    """Add to the metadata of a thread."""
    value: Row = {"thread_id": str(thread_id), "metadata": dict(body.metadata or {})}
    seen = await access.authorize("threads", "update", value)
    row = await serving.database.write(lambda c: patch_thread(c, str(thread_id), value["metadata"], seen))
    if row is None:
        raise HTTPException(404, "Not Found")
    return answer(shown_thread(row))


@router.delete("/threads/{thread_id}", status_code=204, response_class=Response, responses=MISSING)
async def delete(thread_id: UUID, serving: ServingOf, access: AccessOf) -> Response:
    """Delete a thread, its runs and its states; what runs there is ended first."""
    await find_thread(serving, access, thread_id, "delete")
    await _forget(serving, str(thread_id))
    return Response(status_code=204)


@router.post("/threads/{thread_id}/copy", response_model=Thread, responses=MISSING)
async def copy(thread_id: UUID, serving: ServingOf, access: AccessOf) -> Response:
    """Make a thread with the states of another, and without its runs."""
    source = await find_thread(serving, access, thread_id)
    value: Row = {"thread_id": str(uuid4()), "metadata": dict(source["metadata"])}
    await access.authorize("threads", "create", value)
    # The states first: nobody finds the thread before it is whole.
    await serving.checkpointer.acopy_thread(str(thread_id), value["thread_id"])
    like = {**source, "metadata": value["metadata"]}
    row = await serving.database.write(lambda c: copy_thread(c, like, str(value["thread_id"])))
    return answer(shown_thread(row))


async def find_thread(serving: Serving, access: Access, thread_id: UUID, action: str = "read") -> Row:
    """A thread that the one who asks may see.

    Raises:
        HTTPException: It is not there, or another's (404, both alike).
    """
    seen = await access.authorize("threads", action, {"thread_id": str(thread_id)})
    row = await serving.database.read(lambda c: get_thread(c, str(thread_id), seen))
    if row is None:
        raise HTTPException(404, f"Thread with ID {thread_id} not found")
    return row


async def forget_threads(serving: Serving, access: Access, query: ThreadQuery) -> None:
    """Delete all threads that are found, as far as the one who asks may."""
    seen = await access.authorize("threads", "delete", {"metadata": query.metadata})
    page = Page(limit=100, sort_by="thread_id")
    while found := (await serving.database.read(lambda c: search_threads(c, query, page, seen)))[0]:
        for row in found:
            await _forget(serving, row["thread_id"])


def shown_thread(row: Row) -> Row:
    """A thread as clients see it; one that never had a state says nothing of errors and interrupts."""
    shown = {key: row[key] for key in _SHOWN}
    if row["values"] is not None or row["error"] is not None or row["interrupts"]:
        shown |= {"error": row["error"], "interrupts": row["interrupts"]}
    return shown


def _selected(row: Row, select: Sequence[str] | None) -> Row:
    return {key: row[key] for key in select} if select else shown_thread(row)


async def _query(access: Access, value: dict[str, Any]) -> tuple[ThreadQuery, Any]:
    """What is looked for, as the application's authorization leaves it, and what may be seen of it."""
    seen = await access.authorize("threads", "search", value)
    ids = value.get("ids")
    query = ThreadQuery(
        metadata=value["metadata"],
        values=value["values"],
        status=value["status"],
        ids=[str(one) for one in ids] if ids else None,
    )
    return query, seen


async def _forget(serving: Serving, thread_id: str) -> None:
    running = await serving.database.read(lambda c: active_runs(c, thread_id))
    for run_id in running:
        await serving.runs.cancel(run_id, "interrupt")
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            for run_id in running:
                await serving.runs.over(run_id)
    await serving.database.write(lambda c: delete_thread(c, thread_id))


async def _keep_latest(serving: Serving, thread_ids: list[str]) -> None:
    try:
        await serving.checkpointer.aprune(thread_ids)
    except NotImplementedError as error:
        raise HTTPException(422, str(error)) from None
