"""Routes of the states of threads (AGENT-SERVER.md, (ii) Endpoints)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response
from langchain_core.runnables import RunnableConfig

from lcel_adapters.serve._agent._models import ErrorBody, HistorySearch, StateAt, StateUpdate, ThreadState, Updated
from lcel_adapters.serve._agent._routing import AccessOf, JsonRoute, ServingOf, answer
from lcel_adapters.serve._agent._states import EMPTY, shown_state
from lcel_adapters.serve._agent._threads import find_thread
from lcel_adapters.serve._agent._updates import change_state, config_of, opened, target_of
from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._json import plain
from lcel_adapters.serve._runs._request import CheckpointBody
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._storage import Row

REFUSED: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (404, 422)}
router = APIRouter(tags=["Threads"], route_class=JsonRoute, responses=REFUSED)


@router.get("/threads/{thread_id}/state", response_model=ThreadState)
async def get(thread_id: UUID, serving: ServingOf, access: AccessOf, subgraphs: bool = False) -> Response:
    """The newest state of a thread."""
    return await _state(serving, access, thread_id, StateAt(checkpoint=CheckpointBody(), subgraphs=subgraphs))


@router.get("/threads/{thread_id}/state/{checkpoint_id}", response_model=ThreadState)
async def get_at(
    thread_id: UUID, checkpoint_id: str, serving: ServingOf, access: AccessOf, subgraphs: bool = False
) -> Response:
    """The state of a thread at a checkpoint."""
    place = CheckpointBody(checkpoint_id=checkpoint_id)
    return await _state(serving, access, thread_id, StateAt(checkpoint=place, subgraphs=subgraphs))


@router.post("/threads/{thread_id}/state/checkpoint", response_model=ThreadState)
async def post_at(thread_id: UUID, body: StateAt, serving: ServingOf, access: AccessOf) -> Response:
    """The state of a thread at a checkpoint, of a graph inside if the checkpoint is one's."""
    return await _state(serving, access, thread_id, body)


@router.post("/threads/{thread_id}/state", response_model=Updated, responses={409: {"model": ErrorBody}})
async def update(thread_id: UUID, body: StateUpdate, serving: ServingOf, access: AccessOf) -> Response:
    """Change the state of a thread, as if a node had."""
    thread = await find_thread(serving, access, thread_id, "update")
    place = dict((await change_state(serving, access, thread, body)).get("configurable", {}))
    return answer({"checkpoint": place, "configurable": place, "checkpoint_id": place["checkpoint_id"]})


@router.get("/threads/{thread_id}/history", response_model=list[ThreadState])
async def get_history(
    thread_id: UUID,
    serving: ServingOf,
    access: AccessOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1,
    before: str | None = None,
) -> Response:
    """The states of a thread, the newest first."""
    return await _history(serving, access, thread_id, HistorySearch(limit=limit, before=before))


@router.post("/threads/{thread_id}/history", response_model=list[ThreadState])
async def post_history(thread_id: UUID, body: HistorySearch, serving: ServingOf, access: AccessOf) -> Response:
    """The states of a thread, the newest first."""
    return await _history(serving, access, thread_id, body)


async def _state(serving: Serving, access: Access, thread_id: UUID, asked: StateAt) -> Response:
    thread = await find_thread(serving, access, thread_id)
    target = target_of(serving, thread)
    if target is None:
        return answer(EMPTY)
    config = config_of(thread, asked.checkpoint)
    async with opened(serving, access, target, "threads.read", config) as graph:
        try:
            snapshot = await graph.aget_state(config, subgraphs=asked.subgraphs)
        except Exception as error:
            if _is_conflict(error):
                # What waits to be applied on the thread cannot be.
                raise HTTPException(400, str(error)) from error
            if not isinstance(error, ValueError):
                raise
            # The namespace leads to a graph that is not inside this one.
            raise HTTPException(404, str(error)) from error
    return answer(shown_state(snapshot))


def _is_conflict(error: Exception) -> bool:
    """Whether it is the ``InvalidUpdateError`` of either engine."""
    return any(cls.__name__ == "InvalidUpdateError" for cls in type(error).__mro__)


async def _history(serving: Serving, access: Access, thread_id: UUID, asked: HistorySearch) -> Response:
    thread = await find_thread(serving, access, thread_id)
    target = target_of(serving, thread)
    if target is None:
        return answer([])
    place = asked.checkpoint or CheckpointBody()
    config = config_of(thread, place, checkpoint_ns="")
    before = _before(thread, asked.before)
    async with opened(serving, access, target, "threads.read", config) as graph:
        found = graph.aget_state_history(config, filter=plain(asked.metadata), before=before, limit=asked.limit)
        try:
            states = [shown_state(snapshot) async for snapshot in found]
        except ValueError as error:
            # A filter that savers refuse, or a namespace that leads nowhere.
            raise HTTPException(422, str(error)) from error
    return answer(states)


def _before(thread: Row, asked: dict[str, Any] | str | None) -> RunnableConfig | None:
    """A checkpoint to look before: its id, or what holds it, or a configuration."""
    if asked is None:
        return None
    given = {"checkpoint_id": asked} if isinstance(asked, str) else asked.get("configurable", asked)
    if not (isinstance(given, dict) and isinstance(given.get("checkpoint_id"), str)):
        raise HTTPException(422, 'before: name a checkpoint, as {"checkpoint_id": "..."}')
    return config_of(thread, CheckpointBody(checkpoint_id=given["checkpoint_id"]))
