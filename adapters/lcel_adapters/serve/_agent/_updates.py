"""States of threads read from graphs, and changed by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

from fastapi import HTTPException
from langchain_core.runnables import RunnableConfig

from lcel_adapters.serve._agent._models import StateUpdate, Superstep
from lcel_adapters.serve._agent._states import thread_columns
from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._json import plain
from lcel_adapters.serve._project import ServerRuntime
from lcel_adapters.serve._runs._attempt import _command
from lcel_adapters.serve._runs._request import CheckpointBody
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._storage import Row, active_runs, set_thread_state
from lcel_adapters.serve._target import Target
from lcel_adapters.serve._told import UNTOLD, told

Purpose = Literal["threads.read", "threads.update"]
NO_GRAPH = (
    "Thread {!r} has no assigned graph ID. This usually occurs when no runs have been made on this particular thread."
    " This operation requires a graph ID. Please ensure a run has been made for the thread or manually update the"
    " thread metadata (by setting the 'graph_id' field) before running this operation."
)
"""The words of the real server: clients may look for them (AGENT-SERVER.md, th_state_update_nograph)."""


def target_of(serving: Serving, thread: Row) -> Target | None:
    """The graph that a thread belongs to; None if it never ran one.

    Raises:
        HTTPException: It is not served here (404).
    """
    graph_id = thread["metadata"].get("graph_id")
    if graph_id is None:
        return None
    found = serving.targets.get(graph_id) if isinstance(graph_id, str) else None
    if found is None:
        raise HTTPException(404, f"The thread's graph {graph_id!r} is not served here.")
    return found


@asynccontextmanager
async def opened(
    serving: Serving, access: Access, target: Target, purpose: Purpose, config: RunnableConfig
) -> AsyncGenerator[Any, None]:
    """A thread's graph, with the server's checkpointer."""
    runtime = ServerRuntime(access_context=purpose, user=access.user, store=serving.store)
    async with target.opened(config, runtime, saved=True) as graph:
        yield graph


def config_of(thread: Row, checkpoint: CheckpointBody | None = None, **more: str) -> RunnableConfig:
    """The configuration that leads to a thread's newest state, or to a checkpoint of it; never to another thread."""
    place = {} if checkpoint is None else checkpoint.model_dump(exclude_none=True, exclude={"thread_id"})
    return {"configurable": plain({**more, **place, "thread_id": thread["thread_id"]})}


async def change_state(serving: Serving, access: Access, thread: Row, body: StateUpdate) -> RunnableConfig:
    """Apply a change to a thread's state; the configuration of the checkpoint that this makes.

    Raises:
        HTTPException: The thread has no graph, is busy, or the graph refuses the change.
    """
    target = await _free(serving, thread)
    checkpoint = body.checkpoint or CheckpointBody()
    if body.checkpoint_id is not None and checkpoint.checkpoint_id is None:
        checkpoint = checkpoint.model_copy(update={"checkpoint_id": body.checkpoint_id})
    config = config_of(thread, checkpoint, checkpoint_ns="", graph_id=target.name)
    async with opened(serving, access, target, "threads.update", config) as graph:
        with _refusals():
            changed: RunnableConfig = await graph.aupdate_state(config, plain(body.values), as_node=body.as_node)
        await _note(serving, thread, graph)
    return changed


async def apply_supersteps(serving: Serving, access: Access, thread: Row, supersteps: Sequence[Superstep]) -> None:
    """Apply several changes, one superstep after the other.

    Raises:
        HTTPException: The thread has no graph, is busy, or the graph refuses a change.
    """
    target = await _free(serving, thread)
    update = _update_class(target)
    config = config_of(thread, checkpoint_ns="", graph_id=target.name)
    changes = [
        [
            update(plain(one.values) if one.command is None else _command(one.command, target), one.as_node)
            for one in superstep.updates
        ]
        for superstep in supersteps
    ]
    async with opened(serving, access, target, "threads.update", config) as graph:
        with _refusals():
            await graph.abulk_update_state(config, changes)
        await _note(serving, thread, graph)


async def _free(serving: Serving, thread: Row) -> Target:
    target = target_of(serving, thread)
    if target is None:
        raise HTTPException(400, NO_GRAPH.format(thread["thread_id"]))
    if await serving.database.read(lambda c: active_runs(c, thread["thread_id"])):
        raise HTTPException(409, f"Thread {thread['thread_id']} has runs in flight: wait for them, or cancel them.")
    return target


async def _note(serving: Serving, thread: Row, graph: Any) -> None:
    """Let the thread's row say what its newest state is."""
    columns = thread_columns(await graph.aget_state(config_of(thread)))
    await serving.database.write(lambda c: set_thread_state(c, thread["thread_id"], columns))


@contextmanager
def _refusals() -> Generator[None, None, None]:
    """What a graph says against a change is the client's fault, as far as it may be told."""
    try:
        yield
    except Exception as error:
        message = told(error)["message"]
        if message == UNTOLD:
            raise
        raise HTTPException(400, message) from error


def _update_class(target: Target) -> Any:
    if target.ours:
        from lcel_compat.types import StateUpdate as Ours

        return Ours
    from langgraph.types import StateUpdate as Theirs

    return Theirs
