"""Endings from outside: streams that are closed, tasks that are cancelled, once or again and again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, TypedDict
from uuid import UUID

import anyio
import pytest
from langchain_core.callbacks import BaseCallbackHandler

from lcel_compat import START, CompiledStateGraph, StateGraph, get_stream_writer


class State(TypedDict, total=False):
    """One key."""

    n: int


class Root(BaseCallbackHandler):
    """Remembers how the root run ended."""

    run_inline = True

    def __init__(self) -> None:
        self.ends: list[str] = []

    def on_chain_end(self, outputs: Any, *, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        if parent_run_id is None:
            self.ends.append("end")

    def on_chain_error(self, error: BaseException, *, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        if parent_run_id is None:
            self.ends.append(type(error).__name__)


def graph(node: Any) -> CompiledStateGraph:
    """A graph of one node."""
    return StateGraph(State).add_node("node", node).add_edge(START, "node").compile()


class Sleeper:
    """An async node that needs a moment to clean up when it is cancelled."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def __call__(self, state: Any) -> None:
        get_stream_writer()("awake")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            self.notes.append("cleaned up")


async def _stream(compiled: CompiledStateGraph, root: Root) -> None:
    async for _ in compiled.astream({"n": 1}, {"callbacks": [root]}, stream_mode="custom"):
        pass


async def _invoke(compiled: CompiledStateGraph, root: Root) -> None:
    await compiled.ainvoke({"n": 1}, {"callbacks": [root]})


HOW = pytest.mark.parametrize("how", [_stream, _invoke], ids=["astream", "ainvoke"])


@HOW
async def test_cancelled_by_a_cancel_scope(how: Any) -> None:
    """A scope of anyio's cancels again at every await, as servers' do; nodes are awaited all the same."""
    sleeper, root = Sleeper(), Root()
    with anyio.move_on_after(0.02) as scope:
        await how(graph(sleeper), root)
    assert scope.cancelled_caught
    assert sleeper.notes == ["cleaned up"]
    assert root.ends == ["CancelledError"]


@HOW
async def test_cancelled_twice(how: Any) -> None:
    """A second ``cancel`` while nodes clean up does not leave them behind, nor the root without an outcome."""
    sleeper, root = Sleeper(), Root()
    task = asyncio.create_task(how(graph(sleeper), root))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sleeper.notes == ["cleaned up"]
    assert root.ends == ["CancelledError"]


async def test_closed_under_a_cancel_scope() -> None:
    """A stream that is closed because its reader was cancelled by a scope awaits its nodes as well."""
    sleeper, root = Sleeper(), Root()
    stream: Any = graph(sleeper).astream({"n": 1}, {"callbacks": [root]}, stream_mode="custom")
    with anyio.move_on_after(0.02):
        async with aclosing(stream):
            async for _ in stream:
                await asyncio.sleep(60)
    assert sleeper.notes == ["cleaned up"]
    assert len(root.ends) == 1
